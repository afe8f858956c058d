// axe finds nothing serious on any page, on a desk and on a phone, by day and by night.
import { readFileSync } from 'node:fs'
import { composer, desktop, house, letter, login, person, phone, row, same, test, toast, visit } from './lib.mjs'

const source = readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** Looks at the page as it is, at both widths in light, and at its colours in the dark. */
async function look(page, what, found) {
  for (const [device, viewport] of Object.entries({ desktop, phone })) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source)
      const ask = () => page.evaluate(async (dark) => {
        // Colours on their way to others are no colours yet.
        const still = new CSSStyleSheet()
        still.replaceSync('*, *::before, *::after { transition: none !important; animation: none !important }')
        document.adoptedStyleSheets = [still]
        await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))
        const r = await axe.run(document, { iframes: false, resultTypes: ['violations'], ...(dark ? { runOnly: ['color-contrast'] } : {}) })
        return r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} (${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''})`).join(' | ')}`)
      }, colorScheme === 'dark')
      let all = await ask()
      for (let i = 0; i < 3 && all.length > 0; i++) {
        await page.waitForTimeout(150) // what was just loaded may not be painted
        all = await ask()
      }
      for (const text of all) found.push(`${what}, ${device}, ${colorScheme}: ${text}`)
    }
  }
  await page.setViewportSize(desktop)
}

const go = (page, to) => page.evaluate((to) => {
  history.pushState(null, '', to)
  dispatchEvent(new PopStateEvent('popstate'))
}, to)

test('axe: mail', async () => {
  const found = []
  const me = await person('axel')
  await letter(me, 'Something to read', { text: 'A text.\r\n\r\n> A quote\r\n> of two lines\r\n\r\nhttps://far.example/page' })
  await letter(me, 'Something else', { name: 'Odd Berg', from: 'odd@far.example' })
  const { page } = await visit()
  await page.goto(house.url)
  await page.getByLabel('Password').waitFor()
  await look(page, 'login', found)
  await login(page, me)
  await row(page, 'Something to read').waitFor()
  await look(page, 'list', found)
  await row(page, 'Something to read').click()
  await page.getByText('A quote').first().waitFor()
  await page.getByRole('button', { name: 'More acts on this message' }).click()
  await page.getByRole('menuitem', { name: 'How it came' }).click()
  await page.getByRole('region', { name: "The letter's way" }).getByRole('heading').first().waitFor()
  await look(page, 'conversation', found)
  await go(page, '/mail')
  await row(page, 'Something else').getByRole('checkbox', { name: 'Select' }).click()
  await look(page, 'selection', found)
  await page.getByRole('button', { name: 'Move to', exact: true }).click()
  await page.getByRole('dialog').first().waitFor()
  await look(page, 'move to', found)
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Clear the selection' }).click()
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
  await look(page, 'keys', found)
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Compose', exact: true }).click()
  const w = composer(page)
  await w.getByRole('combobox', { name: 'To', exact: true }).fill('kim@two.example, nobody')
  await w.getByRole('textbox', { name: 'Subject' }).click()
  await page.locator('input[type=file]:not([accept])').setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') })
  await w.getByText('a.txt').first().waitFor()
  await look(page, 'composer', found)
  await w.getByRole('button', { name: 'Send later' }).click()
  await page.getByRole('dialog', { name: 'Send later' }).getByRole('button').first().waitFor()
  await look(page, 'send later', found)
  await page.keyboard.press('Escape')
  await w.getByRole('button', { name: 'Discard draft' }).click()
  await toast(page, 'Draft discarded').waitFor()
  await page.getByLabel('Search mail').fill('from:')
  await look(page, 'search suggestions', found)
  await page.getByLabel('Search mail').fill('something')
  await page.keyboard.press('Enter')
  await row(page, 'Something else').waitFor()
  await look(page, 'search', found)
  same(found, [], 'what axe found')
})

for (const part of ['settings', 'admin']) {
  test(`axe: ${part}`, async () => {
    const found = []
    const me = await person('axel', { admin: true })
    const { page } = await visit()
    await login(page, me)
    if (part === 'settings') {
      await go(page, '/contacts')
      await page.getByRole('heading', { level: 1 }).waitFor()
      await look(page, 'contacts', found)
    }
    await go(page, `/${part}`)
    const nav = page.getByRole('navigation', { name: part === 'admin' ? 'Administration' : 'Settings' })
    await nav.waitFor()
    const links = await nav.getByRole('link').evaluateAll((all) => all.map((a) => a.getAttribute('href')))
    if (part === 'admin') links.push(`/admin/accounts/${encodeURIComponent(me)}`, '/admin/domains/one.example')
    for (const to of links) {
      await go(page, to)
      await page.getByRole('main').getByRole('heading').first().waitFor()
      await page.waitForFunction(() => !document.querySelector('main [role=status][aria-label=Loading], main .waiting'), undefined, { timeout: 5000 }).catch(() => undefined)
      await look(page, to, found)
    }
    same(found, [], 'what axe found')
    return `${links.length} pages`
  })
}
