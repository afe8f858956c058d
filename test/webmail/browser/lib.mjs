// What the browser tests share: one chromium, a fresh profile for each test, people who log in, and a record of every request that leaves.
import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync, mkdirSync } from 'node:fs'
import { request } from 'node:https'
import { chromium } from 'playwright-core'

/** The house that is looked at, as the Go test says. */
export const house = JSON.parse(readFileSync(process.env.HOUSE, 'utf8'))
export const desktop = { width: 1440, height: 900 }
export const phone = { width: 390, height: 844 }
export const shots = process.env.SHOTS ?? ''

let browser
/** The contexts of the test that runs. */
const mine = new AsyncLocalStorage()

export function open() {
  browser ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', `--host-resolver-rules=MAP *.example 127.0.0.1`, `--ignore-certificate-errors-spki-list=${house.pin}`],
  })
  return browser
}

export async function close() {
  await (await browser)?.close()
}

/** A fresh profile. stray lists what was asked of anybody but the house; errors what the page threw. */
export async function visit(options = {}) {
  const b = await open()
  const { viewport = desktop, ...more } = options
  const context = await b.newContext({ viewport, hasTouch: viewport.width < 600, isMobile: viewport.width < 600, locale: 'en-GB', timezoneId: 'Europe/Berlin', acceptDownloads: true, ...more })
  mine.getStore()?.push(context)
  const stray = []
  const errors = []
  context.on('request', (r) => {
    const u = new URL(r.url())
    if (/^https?:$/.test(u.protocol) && u.host !== new URL(house.url).host) stray.push(r.url())
  })
  // What would leave is answered here: nothing does.
  await context.route((u) => /^https?:$/.test(u.protocol) && u.host !== new URL(house.url).host, (r) => r.abort())
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  page.on('pageerror', (e) => errors.push(String(e.stack ?? e)))
  page.on('console', (m) => {
    if (m.type() === 'error' && /Content Security Policy|Refused to/.test(m.text())) errors.push(`${m.text()} (${m.location().url})`)
  })
  // What was told is remembered: a failure says it.
  await page.addInitScript(() => {
    if (window.top !== window) return
    window.told = []
    new MutationObserver((all) => {
      for (const m of all) for (const n of m.addedNodes) if (n.classList?.contains('toast')) window.told.push(n.textContent)
    }).observe(document, { subtree: true, childList: true })
  })
  return { context, page, stray, errors, end: () => context.close() }
}

/** Logs in, and waits for the list. */
export async function login(page, user = house.user, { path = '/', password = house.password, stay = false } = {}) {
  await page.goto(house.url + path)
  await page.getByLabel('Mail address').fill(user)
  await page.getByLabel('Password').fill(password)
  if (stay) await page.getByLabel(/Stay logged in/).check()
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  if (path === '/') await page.getByLabel('Search mail').waitFor()
}

/** Posts to one of the house's paths as no browser does; cookie is a session's, and what comes back has the next. */
export async function post(path, body = {}, cookie = '', method = 'POST') {
  const u = new URL(house.url + path)
  return new Promise((resolve, reject) => {
    const r = request(u, { method, rejectUnauthorized: false, lookup: (_, o, done) => (o.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)), agent: false,
      headers: { 'X-Postrider': '1', 'Content-Type': 'application/json', ...(cookie ? { Cookie: cookie } : {}) } }, async (answer) => {
      let text = ''
      for await (const piece of answer) text += piece
      resolve({ status: answer.statusCode, body: text ? JSON.parse(text) : null, cookie: (answer.headers['set-cookie'] ?? []).map((c) => c.split(';')[0]).join('; ') })
    })
    r.on('error', reject)
    r.end(method === 'GET' ? undefined : JSON.stringify(body))
  })
}

let boss = ''
let people = 0

/** Makes an account that no other test has. settings are those of the webmail. */
export async function person(name, { admin = false, settings } = {}) {
  if (!boss) boss = (await post('/api/login', { user: house.user, password: house.password })).cookie
  const address = `${name}.${process.pid.toString(36)}${++people}@one.example`
  const made = await post('/api/admin/v1/account/add', { address, name: `${name[0].toUpperCase()}${name.slice(1)} Example`, password: house.password, ...(admin ? { admin } : {}) }, boss)
  if (made.status !== 200) throw new Error(`${address}: ${JSON.stringify(made.body)}`)
  if (settings) {
    const { cookie } = await post('/api/login', { user: address, password: house.password })
    const { body } = await post('/api/settings', undefined, cookie, 'GET')
    const put = await post('/api/settings', { version: body.version, settings }, cookie, 'PUT')
    if (put.status !== 200) throw new Error(`settings of ${address}: ${JSON.stringify(put.body)}`)
    await post('/api/logout', {}, cookie)
  }
  return address
}

let letters = 0

/** Brings a plain message in, and gives its Message-ID without brackets. */
export async function letter(to, subject, { text = 'Hello.', from = 'mara@far.example', name = 'Mara Lindqvist', answers = '', header = '' } = {}) {
  const id = `e2e${process.pid}.${++letters}@${from.split('@')[1]}`
  const reply = answers ? `In-Reply-To: <${answers}>\r\nReferences: <${answers}>\r\n` : ''
  await deliver(`From: ${name} <${from}>\r\nTo: <${to}>\r\nSubject: ${subject}\r\nDate: ${new Date().toUTCString().replace('GMT', '+0000')}\r\nMessage-ID: <${id}>\r\n${reply}${header}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`, to, from)
  return id
}

/** Runs JMAP calls in the page's session; the accountId is put in. */
export function jmap(page, calls) {
  return page.evaluate(async (calls) => {
    const headers = { 'Content-Type': 'application/json', 'X-Postrider': '1' }
    const s = await (await fetch('/jmap/session', { headers })).json()
    const accountId = s.primaryAccounts['urn:ietf:params:jmap:mail']
    const r = await fetch(s.apiUrl, { method: 'POST', headers, body: JSON.stringify({ using: ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail', 'urn:ietf:params:jmap:submission'], methodCalls: calls.map(([n, a], i) => [n, { accountId, ...a }, String(i)]) }) })
    return (await r.json()).methodResponses.map((m) => m[1])
  }, calls)
}

/** The row of the list that has such words. */
export const row = (page, words) => page.getByRole('grid').getByRole('row').filter({ hasText: words })

/** The window in which a letter is written. */
export const composer = (page) => page.getByRole('dialog').filter({ has: page.getByRole('textbox', { name: 'Subject' }) })

/** Goes to a mailbox by its name, as one does at this width. */
export async function goTo(page, name) {
  const link = page.getByRole('navigation', { name: 'Mailboxes' }).getByRole('link', { name: new RegExp(`^${name}`) })
  if (page.viewportSize().width < 600) await page.getByRole('button', { name: 'Mailboxes', exact: true }).first().click()
  await link.click()
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
}

/** The toast with such words. */
export const toast = (page, words) => page.locator('.toast').filter({ hasText: words })

/** Has the house do something: stop, start, stop-other, start-other. */
export async function control(act) {
  const r = await fetch(`${house.control}/${act}`, { method: 'POST' })
  if (!r.ok) throw new Error(`${act}: ${await r.text()}`)
}

/** Brings a message in. */
export async function deliver(text, to = house.user, from = 'stranger@far.example') {
  const r = await fetch(`${house.control}/deliver?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`, { method: 'POST', body: text.replace(/\r?\n/g, '\r\n') })
  if (!r.ok) throw new Error(`deliver: ${await r.text()}`)
}

const tests = []

/** Declares a test. Two run at a time, but for those that must be alone because they stop the house or measure. */
export function test(name, run, { alone = false } = {}) {
  tests.push({ name, run, alone })
}

export function assert(ok, text) {
  if (!ok) throw new Error(text)
}

export function same(got, want, text) {
  const a = JSON.stringify(got), b = JSON.stringify(want)
  if (a !== b) throw new Error(`${text}: got ${a}, want ${b}`)
}

/** Asks again until it is so. */
export async function until(text, ask, seconds = 15) {
  const end = Date.now() + seconds * 1000
  let last
  for (;;) {
    try {
      last = await ask()
      if (last) return last
    } catch (cause) {
      last = cause
    }
    if (Date.now() > end) throw new Error(`${text}: not in ${seconds} s (${last})`)
    await new Promise((r) => setTimeout(r, 50))
  }
}

/** A picture of the page for the documents, when they are wanted. */
export async function picture(page, name) {
  if (!shots) return
  mkdirSync(shots, { recursive: true })
  await page.waitForTimeout(400) // transitions
  await page.screenshot({ path: `${shots}/${name}.png`, animations: 'disabled' })
}

/** Runs one test, and tells of it as a line of JSON. */
async function runOne(t) {
  const began = Date.now()
  const line = { test: t.name, ok: true, text: '', ms: 0 }
  const contexts = []
  try {
    line.text = (await mine.run(contexts, t.run)) ?? ''
  } catch (cause) {
    line.ok = false
    line.text = String(cause?.stack ?? cause)
    for (const p of contexts.flatMap((c) => c.pages())) line.text += `\n${p.url()} told ${JSON.stringify(await p.evaluate(() => window.told).catch(() => null))}`
    if (process.env.FAILED) {
      mkdirSync(process.env.FAILED, { recursive: true })
      for (const [i, p] of contexts.flatMap((c) => c.pages()).entries()) await p.screenshot({ path: `${process.env.FAILED}/${t.name.replace(/\W+/g, '-')}-${i}.png` }).catch(() => undefined)
    }
  }
  for (const c of contexts) await c.close().catch(() => undefined)
  line.ms = Date.now() - began
  console.log(JSON.stringify(line))
  return line.ok
}

/** Runs what was declared, and gives how many failed. */
export async function run(only) {
  let failed = 0
  const wanted = tests.filter((t) => !only || t.name.includes(only))
  const together = wanted.filter((t) => !t.alone)
  const lane = async () => {
    for (let t = together.shift(); t; t = together.shift()) if (!(await runOne(t))) failed++
  }
  await Promise.all([lane(), lane()])
  for (const t of wanted.filter((t) => t.alone)) if (!(await runOne(t))) failed++
  await close()
  return failed
}
