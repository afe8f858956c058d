// What the browser tests share: one chromium, a fresh profile for each test, people who log in, and a record of every request that leaves.
import { readFileSync, mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'

/** The house that is looked at, as the Go test says. */
export const house = JSON.parse(readFileSync(process.env.HOUSE, 'utf8'))
export const desktop = { width: 1440, height: 900 }
export const phone = { width: 390, height: 844 }
export const shots = process.env.SHOTS ?? ''

let browser

export async function open() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', `--host-resolver-rules=MAP *.example 127.0.0.1`, `--ignore-certificate-errors-spki-list=${house.pin}`],
  })
  return browser
}

export async function close() {
  await browser?.close()
}

/** A fresh profile. stray lists what was asked of anybody but the house; errors what the page threw. */
export async function visit(options = {}) {
  const b = await open()
  const { viewport = desktop, ...more } = options
  const context = await b.newContext({ viewport, hasTouch: viewport.width < 600, isMobile: viewport.width < 600, locale: 'en-GB', timezoneId: 'Europe/Berlin', acceptDownloads: true, ...more })
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
    if (m.type() === 'error' && /Content Security Policy|Refused to/.test(m.text())) errors.push(m.text())
  })
  return { context, page, stray, errors, end: () => context.close() }
}

/** Logs in, and waits for the list. */
export async function login(page, user = house.user, path = '/') {
  await page.goto(house.url + path)
  await page.getByLabel('Mail address').fill(user)
  await page.getByLabel('Password').fill(house.password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await page.getByRole('navigation').first().waitFor()
}

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

/** Declares a test. */
export function test(name, run) {
  tests.push({ name, run })
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

/** Runs what was declared, one after the other, and tells each as a line of JSON. */
export async function run(only) {
  let failed = 0
  for (const t of tests) {
    if (only && !t.name.includes(only)) continue
    const began = Date.now()
    const line = { test: t.name, ok: true, text: '', ms: 0 }
    try {
      line.text = (await t.run()) ?? ''
    } catch (cause) {
      line.ok = false
      line.text = String(cause?.stack ?? cause)
      failed++
      if (process.env.FAILED) {
        mkdirSync(process.env.FAILED, { recursive: true })
        for (const c of browser?.contexts() ?? []) for (const [i, p] of c.pages().entries()) await p.screenshot({ path: `${process.env.FAILED}/${t.name.replace(/\W+/g, '-')}-${i}.png` }).catch(() => undefined)
      }
    }
    for (const c of browser?.contexts() ?? []) await c.close().catch(() => undefined)
    line.ms = Date.now() - began
    console.log(JSON.stringify(line))
  }
  await close()
  return failed
}
