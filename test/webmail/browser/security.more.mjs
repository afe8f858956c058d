// Second factors, passkeys, passwords of mail programs, sessions.
import { createHmac } from 'node:crypto'
import { connect } from 'node:tls'
import { assert, composer, house, login, person, post, same, test, until, visit } from './lib.mjs'

/** The six digits of an authenticator app (RFC 6238), some steps of 30 s from now. */
function digits(secret, step = 0) {
  let bits = ''
  for (const c of secret.replace(/[\s=]/g, '')) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const at = Buffer.alloc(8)
  at.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + step))
  const mac = createHmac('sha1', key).update(at).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

async function settings(page, name) {
  await page.goto(`${house.url}/settings/${name}`)
  await page.getByRole('navigation', { name: 'Settings' }).waitFor()
}

/** Fills in name and password, and gives the code when it is asked for. */
async function withCode(page, me, code) {
  await page.goto(house.url)
  await page.getByLabel('Mail address').fill(me)
  await page.getByLabel('Password').fill(house.password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await page.getByLabel('Code').fill(code)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

test('security: an authenticator app and recovery codes', async () => {
  const me = await person('sam')
  const { page, context, errors } = await visit()
  await login(page, me)
  await settings(page, 'security')
  await page.getByRole('button', { name: 'Add an authenticator app' }).click()
  const ask = page.getByRole('dialog')
  await ask.getByLabel('Your password').fill(house.password)
  await ask.getByRole('button', { name: 'Continue' }).click()
  const secret = await ask.locator('code').innerText()
  await ask.getByLabel('Six digits').fill(digits(secret))
  await ask.getByRole('button', { name: 'Turn on' }).click()
  const told = page.getByRole('dialog', { name: 'Your recovery codes' })
  const codes = await until('recovery codes are shown', async () => (await told.locator('li').count()) === 10 && told.locator('li').allInnerTexts())
  await told.getByRole('button', { name: 'I have them' }).click()
  await page.getByText('An authenticator app is asked for at login.').waitFor()

  await context.clearCookies()
  await withCode(page, me, digits(secret, 1)) // the last one was used
  await page.getByLabel('Search mail').waitFor()
  await context.clearCookies()
  await withCode(page, me, codes[0])
  await page.getByLabel('Search mail').waitFor()
  await context.clearCookies()
  await withCode(page, me, codes[0])
  await page.getByRole('alert').waitFor()
  same(await page.getByLabel('Search mail').count(), 0, 'a recovery code that was used lets in')
  same(errors, [], 'the page')
})

test('security: a passkey lets in without a password', async () => {
  const me = await person('sam')
  const { page, context, errors } = await visit()
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } })
  await login(page, me)
  await settings(page, 'security')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  const ask = page.getByRole('dialog')
  await ask.getByLabel('A name for it').fill('The test')
  await ask.getByLabel('Your password').fill(house.password)
  await ask.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('button', { name: 'Remove The test' }).waitFor()
  await context.clearCookies()
  await page.goto(house.url)
  // A browser may offer it before the button is pressed.
  await page.getByRole('button', { name: 'Log in with a passkey' }).or(page.getByLabel('Search mail')).first().waitFor()
  await page.getByRole('button', { name: 'Log in with a passkey' }).click({ timeout: 3000 }).catch(() => undefined)
  await page.getByLabel('Search mail').waitFor()
  same((await page.evaluate(async () => (await fetch('/api/me')).json())).address, me, 'who is in')
  same(errors, [], 'the page')
})

/** Logs in over IMAP, and gives the server's answer. */
function imap(user, password) {
  return new Promise((resolve, reject) => {
    const [host, port] = house.imaps.split(':')
    const c = connect({ host, port: Number(port), servername: 'mail.one.example', rejectUnauthorized: false })
    let text = ''
    c.setTimeout(10_000, () => c.destroy(new Error('no answer')))
    c.on('error', reject)
    c.on('data', (d) => {
      text += d
      if (/^\* OK/.test(text) && !text.includes('a1 ')) c.write(`a1 LOGIN "${user}" "${password}"\r\n`)
      const answer = /^a1 (.*)\r\n/m.exec(text)
      if (!answer) return
      c.end('a2 LOGOUT\r\n')
      resolve(answer[1])
    })
  })
}

test('security: a password of a mail program works there and nowhere else', async () => {
  const me = await person('sam')
  const { page, errors } = await visit()
  await login(page, me)
  await settings(page, 'programs')
  await page.getByRole('button', { name: 'Make a password' }).click()
  const ask = page.getByRole('dialog')
  await ask.getByLabel('For which program?').fill('The test')
  await ask.getByRole('button', { name: 'Make it' }).click()
  const password = await ask.locator('code').innerText()
  await ask.getByRole('button', { name: 'Done' }).click()
  const answer = await imap(me, password)
  assert(/^OK/.test(answer), `IMAP said: ${answer}`)
  same((await post('/api/login', { user: me, password })).status, 401, 'the web login with it')
  await page.reload()
  await page.getByText(/Used .* from 127\.0\.0\.1/).first().waitFor()
  await page.getByRole('button', { name: 'Remove the password of The test' }).click()
  await until('IMAP takes it no longer', async () => /^NO/.test(await imap(me, password)))
  same(errors, [], 'the page')
})

test('security: a session that is ended elsewhere loses nothing', async () => {
  const me = await person('sam')
  const one = await visit()
  const two = await visit()
  await login(one.page, me)
  await one.page.getByRole('button', { name: 'Compose', exact: true }).click()
  const w = composer(one.page)
  await w.getByRole('textbox', { name: 'Subject' }).fill('On and on')
  await w.getByRole('textbox', { name: 'Text' }).click()
  await one.page.keyboard.type('A first word')
  await w.getByText('Saved in Drafts').waitFor()

  await login(two.page, me)
  await settings(two.page, 'sessions')
  await two.page.getByRole('button', { name: /^End the session of/ }).click()
  await until('it is gone', async () => (await two.page.getByRole('button', { name: /^End the session of/ }).count()) === 0)

  await one.page.keyboard.type(' and a second')
  const over = one.page.getByRole('dialog', { name: 'Your session has ended' })
  await over.waitFor()
  await over.getByLabel('Password').fill(house.password)
  await over.getByRole('button', { name: 'Log in', exact: true }).click()
  await over.waitFor({ state: 'detached' })
  assert(/A first word and a second/.test(await w.getByRole('textbox', { name: 'Text' }).innerText()), 'the text is lost')
  await w.getByRole('textbox', { name: 'Text' }).press('End')
  await one.page.keyboard.type(' and a third.')
  await w.getByText('Saved in Drafts').waitFor()
  const drafts = await one.page.evaluate(async () => {
    const s = await (await fetch('/jmap/session', { headers: { 'X-Postrider': '1' } })).json()
    const accountId = s.primaryAccounts['urn:ietf:params:jmap:mail']
    const r = await fetch(s.apiUrl, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Postrider': '1' }, body: JSON.stringify({ using: ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'], methodCalls: [['Email/query', { accountId, filter: { subject: 'On and on' } }, '0'], ['Email/get', { accountId, '#ids': { resultOf: '0', name: 'Email/query', path: '/ids' }, properties: ['preview'] }, '1']] }) })
    return (await r.json()).methodResponses[1][1].list.map((e) => e.preview)
  })
  same(drafts, ['A first word and a second and a third.'], 'what the server has')
  same([...one.errors, ...two.errors], [], 'the pages')
})
