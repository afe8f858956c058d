// What a webmail does, by jmap-jam. It ends with "all is well", or with the first thing that is not.
import assert from 'node:assert/strict';
import JamClient from 'jmap-jam';

const { JMAP_AT, JMAP_USER, JMAP_PASSWORD } = process.env;

// The client knows bearer tokens only: its requests are given the password on their way.
const bare = globalThis.fetch;
globalThis.fetch = (url, options = {}) => {
  const headers = new Headers(options.headers);
  headers.set('Authorization', 'Basic ' + Buffer.from(`${JMAP_USER}:${JMAP_PASSWORD}`).toString('base64'));
  return bare(url, { ...options, headers });
};

const jam = new JamClient({ sessionUrl: `https://${JMAP_AT}/.well-known/jmap`, bearerToken: 'none' });
const accountId = await jam.getPrimaryAccount();
const boxes = async () => (await jam.api.Mailbox.get({ accountId }))[0].list;
const box = Object.fromEntries((await boxes()).map((b) => [b.role, b]));
assert.equal(box.inbox.totalEmails, 3);
assert.equal(box.inbox.unreadEmails, 3);

// One request: search, and read what was found.
const [{ emails }] = await jam.requestMany((t) => {
  const found = t.Email.query({ accountId, filter: { subject: 'hello' }, sort: [{ property: 'receivedAt', isAscending: true }] });
  const emails = t.Email.get({ accountId, ids: found.$ref('/ids'), properties: ['id', 'subject', 'preview', 'keywords'] });
  return { found, emails };
});
assert.deepEqual(emails.list.map((e) => e.subject).sort(), ['hello one', 'hello three', 'hello two']);
assert.ok(emails.list.every((e) => e.preview === 'first mail'));

// Flag it, and put it away.
const id = emails.list[0].id;
const [flagged] = await jam.api.Email.set({ accountId, update: { [id]: { 'keywords/$seen': true } } });
assert.ok(id in flagged.updated);
const [moved] = await jam.api.Email.set({ accountId, update: { [id]: { mailboxIds: { [box.trash.id]: true } } } });
assert.ok(id in moved.updated);

// Bring one in, and fetch it again.
const text = 'From: x@y.example\r\nSubject: imported\r\n\r\nbody\r\n';
const blob = await jam.uploadBlob(accountId, text);
assert.equal(blob.size, text.length);
const [imported] = await jam.api.Email.import({ accountId, emails: { a: { blobId: blob.blobId, mailboxIds: { [box.inbox.id]: true } } } });
const back = await jam.downloadBlob({ accountId, blobId: imported.created.a.blobId, mimeType: 'message/rfc822', fileName: 'm.eml' });
assert.ok((await back.text()).endsWith(text));

// Write one, send it, and file it as sent.
const [draft] = await jam.api.Email.set({
  accountId,
  create: {
    d: {
      mailboxIds: { [box.drafts.id]: true }, keywords: { $draft: true, $seen: true }, from: [{ email: JMAP_USER }], to: [{ email: JMAP_USER }],
      subject: 'sent by jam', bodyValues: { t: { value: 'hi' } }, textBody: [{ partId: 't', type: 'text/plain' }],
    },
  },
});
const [identities] = await jam.api.Identity.get({ accountId });
const [sent] = await jam.api.EmailSubmission.set({
  accountId,
  create: { s: { identityId: identities.list[0].id, emailId: draft.created.d.id } },
  onSuccessUpdateEmail: { '#s': { [`mailboxIds/${box.sent.id}`]: true, [`mailboxIds/${box.drafts.id}`]: null, 'keywords/$draft': null } },
});
assert.equal(sent.created.s.deliveryStatus[JMAP_USER].delivered, 'yes');

const after = Object.fromEntries((await boxes()).map((b) => [b.role, `${b.totalEmails}/${b.unreadEmails}`]));
assert.deepEqual(after, { inbox: '4/4', archive: '0/0', drafts: '0/0', junk: '0/0', sent: '1/0', trash: '1/0' });
console.log('all is well');
