// A corpus of hostile messages: no script of theirs runs, and nothing leaves the browser, whatever is pressed in them.
import { readdirSync, readFileSync } from 'node:fs'
import { assert, deliver, house, jmap, login, person, same, test, until, visit } from './lib.mjs'

const dir = new URL('../../../ua/web/src/message/hostile/', import.meta.url)

test('hostile messages run nothing and load nothing', async () => {
  const me = await person('hanna')
  const files = readdirSync(dir).filter((f) => f.endsWith('.html'))
  for (const f of files) {
    const html = readFileSync(new URL(f, dir))
    await deliver(`From: Mallory <mallory@far.example>\r\nTo: ${me}\r\nSubject: hostile ${f}\r\nMessage-ID: <${f}.${process.pid}@far.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${html.toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`, me)
  }
  const v = await visit()
  const { page } = v
  const dialogs = []
  let pages = 0
  page.on('dialog', (d) => void (dialogs.push(d.message()), d.dismiss()))
  v.context.on('page', () => pages++)
  // A link that is pressed is opened by the page itself: here it only says where to.
  await page.addInitScript(() => {
    if (window.top !== window) return
    window.opened = []
    window.open = (url) => void window.opened.push(String(url))
  })
  const asked = new Set()
  page.on('request', (r) => asked.add(new URL(r.url()).protocol.startsWith('http') ? new URL(r.url()).pathname : new URL(r.url()).protocol))
  await login(page, me)
  const [, got] = await jmap(page, [['Email/query', { filter: { subject: 'hostile' }, limit: 500 }], ['Email/get', { '#ids': { resultOf: '0', name: 'Email/query', path: '/ids' }, properties: ['threadId', 'mailboxIds', 'subject'] }]])
  same(got.list.length, files.length, 'messages that came in')
  asked.clear()

  /** What the frame shows, once it shows it. */
  const shown = (subject) => page.evaluate((subject) => {
    if (document.querySelector('section.thread h1')?.textContent !== subject) return null
    const doc = document.querySelector('article iframe')?.contentDocument
    if (!doc || doc.head.querySelectorAll('style').length < 2) return null
    return { scripts: doc.querySelectorAll('script, iframe, object, embed, link, base, meta[http-equiv], frame').length, handlers: [...doc.querySelectorAll('*')].flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith('on')).length }
  }, subject)

  /** Presses all there is to press in the message, and opens what opens. */
  const press = () => page.evaluate(async () => {
    const all = () => [...(document.querySelector('article iframe')?.contentDocument.querySelectorAll('a, area, button, input, select, textarea, label, summary, details, form, img, svg, [contenteditable], [popovertarget], [onclick], [tabindex]') ?? [])]
    const n = all().length
    for (let i = 0; i < n; i++) {
      const e = all()[i]
      if (!e) continue
      e.focus?.()
      for (const type of ['mouseover', 'mousedown', 'mouseup', 'dblclick']) e.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true }))
      if (e.click) e.click()
      else e.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))
      if (e.localName === 'form') e.dispatchEvent(new SubmitEvent('submit', { bubbles: true, cancelable: true }))
      if (e.localName === 'details') e.open = true
    }
    await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))
    return n
  })

  /** Whatever a press led to is ours: a question, or a letter that is begun. */
  const tidy = async () => {
    for (const d of await page.locator('dialog[open]').all()) await d.getByRole('button', { name: 'Close', exact: true }).click()
    for (const b of await page.getByRole('button', { name: 'Keep the draft and close' }).all()) await b.click()
  }

  const go = (to) => page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, to)

  // A message's <base> is refused by the policy where it is parsed, before it is cut out. Nothing else of a message may come as far as the policy.
  const trouble = () => v.errors.filter((t) => !/base URI/.test(t))

  const unharmed = async (subject) => {
    same(trouble(), [], `${subject}: the page`)
    same(await page.evaluate(() => [window.owned ?? null, document.title.includes('owned')]), [null, false], `${subject} ran something`)
    same(page.frames().length <= 2, true, `${subject} made frames`)
    same([dialogs, pages], [[], 0], `${subject} opened dialogs or pages`)
    same(v.stray, [], `${subject} asked others`)
    same(page.url().startsWith(house.url), true, `${subject} led away`)
  }

  let pressed = 0
  let pictures = 0
  for (const e of got.list) {
    const to = `/mail/${Object.keys(e.mailboxIds)[0]}/${e.threadId}`
    await go(to)
    const inside = await until(`${e.subject} is shown`, () => shown(e.subject))
    same(inside, { scripts: 0, handlers: 0 }, `what ${e.subject} has left`)
    pressed += await press()
    await tidy()
    await unharmed(e.subject)
    if (!page.url().endsWith(to)) await go(to)
    await until(`${e.subject} is shown again`, () => shown(e.subject))
    const ask = page.getByRole('button', { name: 'Show pictures' })
    if (await ask.isVisible()) {
      pictures++
      await ask.click()
      await ask.waitFor({ state: 'detached' })
      pressed += await press()
      await tidy()
      await unharmed(`${e.subject}, with pictures,`)
    }
  }
  const opened = await page.evaluate(() => window.opened)
  same(opened.filter((u) => !/^https?:\/\//.test(u)), [], 'addresses that were opened')
  assert(pictures > 5, `only ${pictures} messages have pictures`)
  same([...asked].filter((p) => !/^\/(api\/(image|settings|correspondents|way)|jmap\/|assets\/|frame\.html|icon)/.test(p) && !/^(blob|data):/.test(p)), [], 'what was asked of the house')
  same(trouble(), [], 'the page')
  return `${got.list.length} messages, ${pressed} presses, pictures of ${pictures} shown, ${opened.length} links opened by the page`
})
