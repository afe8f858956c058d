// Pictures of the pages for the documents, when SHOTS says where they go.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { composer, house, login, phone, picture, row, shots, test, until, visit } from './lib.mjs'

const go = (page, to) => page.evaluate((to) => {
  history.pushState(null, '', to)
  dispatchEvent(new PopStateEvent('popstate'))
}, to)

const quiet = async (page) => {
  await page.waitForLoadState('networkidle').catch(() => undefined)
  await until('nothing is told', async () => (await page.locator('.toast').count()) === 0, 20)
}

if (shots) test('shots', async () => {
  const { page } = await visit({ viewport: { width: 1280, height: 800 } })
  await page.goto(house.url)
  await page.getByLabel('Password').waitFor()
  await picture(page, 'login-desktop')
  await login(page)
  await row(page, 'Photos from the harbour').click()
  await page.frameLocator('article iframe').first().getByText('here they are').waitFor()
  await quiet(page)
  await picture(page, 'mail-desktop')
  await row(page, 'Your account is locked').click()
  await page.getByRole('button', { name: 'More acts on this message' }).click()
  await page.getByRole('menuitem', { name: /How it came|Why/ }).click()
  await page.getByRole('region', { name: "The letter's way" }).getByRole('heading').first().waitFor()
  await quiet(page)
  await picture(page, 'thread-desktop')
  await page.getByRole('button', { name: 'Close', exact: true }).first().click()
  await page.getByRole('button', { name: 'Compose', exact: true }).click()
  let w = composer(page)
  await w.getByRole('combobox', { name: 'To', exact: true }).fill(house.other)
  await page.keyboard.press('Enter')
  await w.getByRole('textbox', { name: 'Subject' }).fill('The boat on Saturday')
  await w.getByRole('textbox', { name: 'Text' }).click()
  await page.keyboard.type('Dear Kim,')
  await page.keyboard.press('Enter')
  await page.keyboard.type('it is the ')
  await page.keyboard.press('Control+b')
  await page.keyboard.type('blue')
  await page.keyboard.press('Control+b')
  await page.keyboard.type(' one at pier 4. We leave at nine.')
  await page.locator('input[type=file]:not([accept])').setInputFiles({ name: 'pier.txt', mimeType: 'text/plain', buffer: Buffer.from('Pier 4, behind the station.\n') })
  await w.getByText('Saved in Drafts').waitFor()
  await picture(page, 'compose-desktop')
  await w.getByRole('button', { name: 'Send', exact: true }).click()
  await w.waitFor({ state: 'detached' })
  await go(page, '/mail/sent')
  await row(page, 'The boat on Saturday').click()
  await page.getByRole('button', { name: 'Where is it?' }).click()
  await page.getByText(/Handed over to/).waitFor({ timeout: 40_000 })
  await quiet(page)
  await picture(page, 'way-desktop')
  await page.getByLabel('Search mail').fill('from:mara has:attachment')
  await row(page, 'Photos from the harbour').waitFor()
  await picture(page, 'search-desktop')
  for (const [to, name, wait] of [['/settings/security', 'settings-security', 'Second factor'], ['/settings/programs', 'settings-programs', 'Set up a program'], ['/admin/overview', 'admin-overview', 'Overview'], ['/admin/domains/one.example', 'admin-domain', 'one.example'], ['/admin/trace', 'admin-trace', 'Trace']]) {
    await go(page, to)
    await page.getByRole('heading', { name: wait }).first().waitFor()
    await quiet(page)
    await picture(page, `${name}-desktop`)
  }
  await page.emulateMedia({ colorScheme: 'dark' })
  await go(page, '/mail')
  await row(page, 'Contract, second draft').click()
  await quiet(page)
  await picture(page, 'mail-desktop-dark')

  const small = (await visit({ viewport: phone })).page
  await login(small)
  await row(small, 'Contract, second draft').waitFor()
  await quiet(small)
  await picture(small, 'mail-phone')
  await row(small, 'Photos from the harbour').click()
  await small.frameLocator('article iframe').first().getByText('here they are').waitFor()
  await quiet(small)
  await picture(small, 'thread-phone')
  await small.getByRole('button', { name: 'Reply', exact: true }).last().click()
  w = composer(small)
  await w.getByRole('textbox', { name: 'Text' }).waitFor()
  await small.keyboard.type('Thank you, they are beautiful.')
  await picture(small, 'compose-phone')
  await w.getByRole('button', { name: 'More', exact: true }).click()
  await small.getByRole('menuitem', { name: 'Discard draft' }).click()
  await go(small, '/admin/overview')
  await small.getByRole('heading', { name: 'Overview' }).first().waitFor()
  await quiet(small)
  await picture(small, 'admin-phone')
  try {
    for (const f of readdirSync(shots).filter((f) => f.endsWith('.png'))) execFileSync('pngquant', ['--force', '--skip-if-larger', '--ext', '.png', '--quality', '60-95', `${shots}/${f}`], { stdio: 'ignore' })
  } catch {
    // without pngquant they stay as they are
  }
}, { alone: true })
