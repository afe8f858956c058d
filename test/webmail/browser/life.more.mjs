// The life of a mail account from its first login, on a desk and on a phone.
import { assert, composer, desktop, goTo, house, jmap, letter, login, person, phone, row, same, test, toast, until, visit } from './lib.mjs'

const compose = (page) => page.getByRole('button', { name: 'Compose', exact: true }).click()

/** Writes to somebody; the window is left open. */
async function write(page, to, subject, text) {
  await compose(page)
  const w = composer(page)
  await w.getByRole('combobox', { name: 'To', exact: true }).fill(to)
  await page.keyboard.press('Enter')
  await w.getByRole('textbox', { name: 'Subject' }).fill(subject)
  await w.getByRole('textbox', { name: 'Text' }).click()
  if (text) await page.keyboard.type(text)
  return w
}

const send = (w) => w.getByRole('button', { name: 'Send', exact: true }).click()

/** Finds a message of the account by its subject. */
async function find(page, subject) {
  const [, { list }] = await jmap(page, [['Email/query', { filter: { subject } }], ['Email/get', { '#ids': { resultOf: '0', name: 'Email/query', path: '/ids' }, properties: ['messageId', 'htmlBody', 'attachments', 'bodyValues', 'mailboxIds', 'keywords', 'subject'], fetchHTMLBodyValues: true }]])
  return list
}

for (const [device, viewport] of Object.entries({ desktop, phone })) {
  test(`life: a letter goes, its way is shown, and the answer joins it, on a ${device}`, async () => {
    const me = await person('lena')
    const { page, stray, errors } = await visit({ viewport })
    await login(page, me)
    await page.getByRole('heading', { name: 'Inbox', exact: true }).waitFor()
    const subject = `The boat, seen on a ${device}`
    const w = await write(page, house.other, subject, 'Dear Kim, it is ')
    await page.keyboard.press('Control+b')
    await page.keyboard.type('very')
    await page.keyboard.press('Control+b')
    await page.keyboard.type(' blue.')
    await page.locator('input[type=file]:not([accept])').setInputFiles({ name: 'boat.txt', mimeType: 'text/plain', buffer: Buffer.from('It floats.\n') })
    await w.getByText('boat.txt').first().waitFor()
    await send(w)
    await w.waitFor({ state: 'detached' })
    await toast(page, 'Sending').waitFor()

    await goTo(page, 'Sent')
    await row(page, subject).click()
    await page.getByRole('button', { name: 'Where is it?' }).click()
    const way = page.getByRole('region', { name: "The letter's way" })
    await way.getByText(house.other).waitFor()
    await until('it is handed over', async () => /mail\.two\.example/.test(await way.innerText()) && /Encrypted on the way \(TLS/.test(await way.innerText()), 40)
    const text = await way.innerText()

    const [sent] = await find(page, subject)
    assert(/<(b|strong)>very<\/(b|strong)>/.test(Object.values(sent.bodyValues).map((v) => v.value).join('')), `rich text is lost: ${JSON.stringify(sent.bodyValues)}`)
    same(sent.attachments.map((a) => [a.name, a.size]), [['boat.txt', 11]], 'attachments')

    // The answer comes without a reload, and belongs to the conversation.
    await page.evaluate(() => (window.same = true))
    await letter(me, `Re: ${subject}`, { from: house.other, name: 'Kim Example', text: 'I like blue.', answers: sent.messageId[0] })
    await until('the title tells of it', async () => (await page.title()).startsWith('(1) '))
    await page.getByRole('article', { name: /Kim Example/ }).waitFor()
    if (viewport === phone) await page.getByRole('button', { name: 'Back' }).click()
    await goTo(page, 'Inbox')
    await row(page, subject).click()
    await until('both are in the conversation', async () => (await page.getByRole('article').count()) === 2)
    await page.getByRole('article', { name: /Kim Example/ }).getByText('I like blue.').waitFor()
    await until('it is read', async () => !(await page.title()).startsWith('('))
    assert(await page.evaluate(() => window.same), 'the page was loaded anew')

    // A conversation beside the list is answered in place.
    await page.getByRole('button', { name: 'Reply', exact: true }).last().click()
    const answer = composer(page)
    await answer.getByRole('textbox', { name: 'Text' }).waitFor()
    await until('it is addressed', async () => /kim/i.test(await answer.innerText()))
    await answer.getByRole('button', { name: 'Keep the draft and close' }).click()
    same(stray, [], 'others were asked')
    same(errors, [], 'the page')
    return text.replace(/\s+/g, ' ')
  })

  test(`life: search, star, archive and undo on a ${device}`, async () => {
    const me = await person('lena')
    for (const s of ['Lanterns for the pier', 'Oars and ropes', 'Paint']) await letter(me, s, { text: `About ${s.toLowerCase()}: a zeppelin.` })
    await letter(me, 'Lanterns again', { from: 'odd@far.example', name: 'Odd Berg' })
    const { page, errors } = await visit({ viewport })
    await login(page, me)
    await row(page, 'Lanterns for the pier').waitFor()

    const search = page.getByLabel('Search mail')
    await search.fill('from:mara subject:lanterns')
    await page.keyboard.press('Enter')
    await until('operators narrow it', async () => (await page.getByRole('grid').getByRole('row').count()) === 1 && (await row(page, 'Lanterns for the pier').count()) === 1)
    await search.fill('zeppelin')
    await page.keyboard.press('Enter')
    await until('words of the text are found', async () => (await page.getByRole('grid').getByRole('row').count()) === 3)
    await page.getByRole('button', { name: 'Clear the search' }).click()
    await goTo(page, 'Inbox')

    // Under the pointer a row has its buttons together.
    if (viewport === desktop) await row(page, 'Oars').hover()
    const star = viewport === desktop ? page.getByRole('toolbar', { name: 'Acts on this row' }).getByRole('button', { name: 'Star' }) : row(page, 'Oars').getByRole('button', { name: 'Star' })
    await star.click()
    await until('the star is there', async () => (await row(page, 'Oars').getByRole('button', { name: 'Star' }).getAttribute('aria-pressed')) === 'true')
    await until('the server has it', async () => '$flagged' in (await find(page, 'Oars'))[0].keywords)

    if (viewport === desktop) {
      await row(page, 'Paint').hover()
      await page.getByRole('toolbar', { name: 'Acts on this row' }).getByRole('button', { name: 'Archive' }).click()
    } else {
      await row(page, 'Paint').click()
      await page.getByRole('toolbar', { name: 'Acts on the conversation' }).getByRole('button', { name: 'Archive' }).click()
      await toast(page, 'Archived').waitFor()
      if (!(await search.isVisible())) await page.getByRole('button', { name: 'Back' }).click()
    }
    await row(page, 'Paint').waitFor({ state: 'detached' })
    const inbox = async () => (await jmap(page, [['Mailbox/query', { filter: { role: 'inbox' } }]]))[0].ids[0]
    const box = await inbox()
    await until('the server has it in Archive', async () => !(box in (await find(page, 'Paint'))[0].mailboxIds))
    await toast(page, 'Archived').getByRole('button', { name: 'Undo' }).click()
    await row(page, 'Paint').waitFor()
    await until('the server has it back', async () => box in (await find(page, 'Paint'))[0].mailboxIds)
    same(errors, [], 'the page')
  })

  test(`life: undo send, send later and a draft on a ${device}`, async () => {
    const me = await person('lena')
    const { page, errors } = await visit({ viewport })
    await login(page, me)

    // Taken back.
    let w = await write(page, house.other, 'Too soon', 'I take it back.')
    await send(w)
    await toast(page, 'Sending').getByRole('button', { name: 'Undo' }).click()
    await w.waitFor()
    same(await w.getByRole('textbox', { name: 'Subject' }).inputValue(), 'Too soon', 'the subject')
    assert(/I take it back/.test(await w.getByRole('textbox', { name: 'Text' }).innerText()), 'the text')
    await until('nothing is sent', async () => {
      const [, subs] = await jmap(page, [['EmailSubmission/query', {}], ['EmailSubmission/get', { '#ids': { resultOf: '0', name: 'EmailSubmission/query', path: '/ids' } }]])
      return subs.list.every((s) => s.undoStatus === 'canceled')
    })

    // Sent later.
    await w.getByRole('textbox', { name: 'Subject' }).fill('In good time')
    if (viewport === desktop) await w.getByRole('button', { name: 'Send later' }).click()
    else {
      await w.getByRole('button', { name: 'More', exact: true }).click()
      await page.getByRole('menuitem', { name: /Send later/ }).click()
    }
    const when = page.getByRole('dialog', { name: 'Send later' })
    await when.getByRole('button', { name: /Monday morning|Tomorrow morning/ }).first().click()
    await w.waitFor({ state: 'detached' })
    await toast(page, 'Will be sent').waitFor()
    await goTo(page, 'Sent')
    await row(page, 'In good time').click()
    await page.getByRole('article').getByText(/^Will be sent (on|tomorrow|today)/).waitFor()
    await page.getByRole('button', { name: 'Where is it?' }).click()
    const way = page.getByRole('region', { name: "The letter's way" })
    await way.getByText(/^It waits on the server, and goes out /).waitFor()
    const text = await way.innerText()
    if (viewport === phone) await page.getByRole('button', { name: 'Back' }).click()

    // A draft outlives the page.
    w = await write(page, house.other, 'Half a letter', 'It was a dark')
    await w.getByText('Saved in Drafts').waitFor()
    await page.keyboard.type(' and stormy night')
    await page.reload()
    await w.or(page.getByRole('button', { name: 'Half a letter' })).first().waitFor()
    if (!(await w.getByRole('textbox', { name: 'Subject' }).isVisible())) await page.getByRole('button', { name: 'Half a letter' }).click()
    await until('the text is there', async () => /It was a dark and stormy night/.test(await w.getByRole('textbox', { name: 'Text' }).innerText()))
    same(await w.getByRole('textbox', { name: 'Subject' }).inputValue(), 'Half a letter', 'the subject')
    await w.getByRole('button', { name: 'Keep the draft and close' }).click()
    await goTo(page, 'Drafts')
    await row(page, 'Half a letter').click()
    await until('it is opened from Drafts', async () => /stormy night/.test(await w.getByRole('textbox', { name: 'Text' }).innerText()))
    same(errors, [], 'the page')
    return text.replace(/\s+/g, ' ')
  })
}

test('life: messages are moved by drag and drop', async () => {
  const me = await person('lena')
  for (const s of ['Plans', 'Costs', 'Gossip']) await letter(me, s)
  const { page, errors } = await visit()
  await login(page, me)
  await page.getByRole('button', { name: 'New mailbox', exact: true }).click()
  const ask = page.getByRole('dialog', { name: 'New mailbox' })
  await ask.getByLabel('Name').fill('Projects')
  await ask.getByRole('button', { name: 'Create' }).click()
  const to = page.getByRole('navigation', { name: 'Mailboxes' }).getByRole('link', { name: /^Projects/ })
  await to.waitFor()
  for (const s of ['Plans', 'Costs']) await row(page, s).getByRole('checkbox', { name: 'Select' }).click()
  await row(page, 'Plans').dragTo(to)
  await until('both are gone', async () => (await row(page, /Plans|Costs/).count()) === 0)
  await toast(page, 'Moved to Projects').waitFor()
  await to.click()
  await row(page, 'Plans').waitFor()
  await row(page, 'Costs').waitFor()
  same(errors, [], 'the page')
})
