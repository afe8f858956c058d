// Everything without the mouse, and the focus is always seen.
import { assert, composer, house, jmap, letter, person, row, same, test, toast, until, visit } from './lib.mjs'

/** What has the focus, and whether one sees it: by an outline, or by the cursor that blinks in a text. */
const focus = (page) => page.evaluate(() => {
  let e = document.activeElement
  const text = e?.matches('input:not([type=checkbox]):not([type=radio]), textarea, [contenteditable=true]') && getComputedStyle(e).caretColor !== 'transparent'
  const name = `${e?.localName} ${e?.getAttribute('aria-label') ?? e?.textContent?.trim().slice(0, 30) ?? ''}`
  for (let i = 0; e && i < 4; i++, e = e.parentElement) {
    const s = getComputedStyle(e)
    if ((s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1) || (i === 0 && s.boxShadow !== 'none')) return { name, seen: true }
  }
  return { name, seen: text || document.activeElement === document.body || document.activeElement?.localName === 'iframe' }
})

/** Presses Tab until something has the focus, and gives what had it on the way and did not show it. */
async function tabTo(page, name, most = 80) {
  const unseen = new Set()
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab')
    const f = await focus(page)
    if (!f.seen) unseen.add(f.name)
    if (name.test(f.name)) return [...unseen]
  }
  throw new Error(`Tab does not come to ${name}`)
}

test('keyboard: a day without the mouse', async () => {
  const me = await person('kai', { settings: { undoSeconds: 0 } })
  for (const s of ['First', 'Second', 'Third']) await letter(me, `${s} of the morning`, { text: `${s}, with a pelican.`, from: house.other, name: 'Kim Example' })
  const { page, errors } = await visit()
  const key = (...all) => all.reduce((p, k) => p.then(() => page.keyboard.press(k)), Promise.resolve())
  await page.goto(house.url)
  await page.getByLabel('Mail address').waitFor()
  await until('the field has the focus', async () => /input/.test((await focus(page)).name))
  await page.keyboard.type(me)
  await key('Tab')
  await page.keyboard.type(house.password)
  await key('Enter')
  await row(page, 'First of the morning').waitFor()

  // The newest is at the top: down, down, up, open.
  await key('j', 'j', 'j', 'k', 'o')
  await page.getByRole('heading', { name: 'Second of the morning' }).waitFor()
  await key('r')
  const w = composer(page)
  await w.getByRole('textbox', { name: 'Text' }).waitFor()
  await until('the text has the focus', () => w.getByRole('textbox', { name: 'Text' }).evaluate((e) => e === document.activeElement))
  await page.keyboard.type('Thank you for the pelican.')
  await key('Control+Enter')
  await w.waitFor({ state: 'detached' })
  await toast(page, 'Sent').waitFor()
  await until('it is in Sent', async () => {
    const [{ ids: [sent] }] = await jmap(page, [['Mailbox/query', { filter: { role: 'sent' } }]])
    return (await jmap(page, [['Email/query', { filter: { subject: 'Second of the morning', inMailbox: sent } }]]))[0].ids.length === 1
  })
  await key('e')
  await row(page, 'Second of the morning').waitFor({ state: 'detached' })
  await key('z')
  await row(page, 'Second of the morning').waitFor()

  await key('/')
  await page.keyboard.type('pelican subject:third')
  await key('Enter')
  await until('it is found', async () => (await page.getByRole('grid').getByRole('row').count()) === 1 && (await row(page, 'Third of the morning').count()) === 1)
  await key('g', 'i')
  await row(page, 'First of the morning').waitFor()
  await key('?')
  const sheet = page.getByRole('dialog', { name: 'Keyboard' })
  await sheet.getByText('Archive').first().waitFor()
  await key('Escape')
  await sheet.waitFor({ state: 'hidden' })

  await key('c')
  await until('who to has the focus', () => w.getByRole('combobox', { name: 'To', exact: true }).evaluate((e) => e === document.activeElement))
  const inWindow = await tabTo(page, /^button Send$|Send/, 40)
  await key('Escape')
  await w.waitFor({ state: 'detached' })

  const onPage = await tabTo(page, /Settings/)
  await key('Enter')
  await page.getByRole('heading', { name: 'Settings', exact: true }).waitFor()
  const inSettings = await tabTo(page, /Password and login/)
  await key('Enter')
  await page.getByLabel('Present password').waitFor()
  same({ inWindow, onPage, inSettings }, { inWindow: [], onPage: [], inSettings: [] }, 'focus that is not seen')
  assert(errors.length === 0, errors.join('\n'))
})
