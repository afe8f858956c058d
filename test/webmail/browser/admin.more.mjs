// Those who run the server do so from the same page, and nobody else does.
import { assert, house, letter, login, row, same, test, until, visit } from './lib.mjs'

test('admin: a domain and an account are added, and the account gets mail', async () => {
  const domain = `new${process.pid}.example`
  const { page, errors, end } = await visit()
  await login(page)
  await page.getByRole('link', { name: 'Administration' }).click()
  await page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: 'Domains' }).click()
  await page.getByRole('button', { name: 'Add a domain' }).click()
  await page.getByLabel('Domain', { exact: true }).fill(domain)
  await page.getByRole('button', { name: 'Add and go on' }).click()
  await page.getByRole('heading', { name: 'Publish its records' }).waitFor()
  await until('its MX record is shown', async () => (await page.getByRole('main').innerText()).includes('mail.one.example'))
  await page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: 'Accounts' }).click()
  await page.getByRole('button', { name: 'Add an account' }).click()
  const ask = page.getByRole('dialog', { name: 'Add an account' })
  await ask.getByLabel('Address').fill(`nora@${domain}`)
  await ask.getByLabel('Name').fill('Nora Example')
  await ask.getByRole('button', { name: 'Add', exact: true }).click()
  const told = page.getByRole('dialog', { name: `The password of nora@${domain}` })
  const password = await told.locator('code').innerText()
  assert(password.length >= 12, `a password of ${password.length} characters`)
  await told.getByRole('button', { name: 'I have it' }).click()
  await page.getByRole('link', { name: `nora@${domain}` }).waitFor()
  await page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: 'Audit log' }).click()
  await until('the log tells of both', async () => {
    const acts = (await page.getByRole('row').allInnerTexts()).map((t) => t.replace(/\s+/g, ' '))
    return acts.some((t) => t.includes(domain) && !t.includes('nora@') && t.includes(house.user)) && acts.some((t) => t.includes(`nora@${domain}`) && t.includes(house.user))
  })
  same(errors, [], 'the page')
  await end()

  const nora = await visit()
  await login(nora.page, `nora@${domain}`, { password })
  same(await nora.page.getByRole('link', { name: 'Administration' }).count(), 0, 'links to the administration')
  await letter(`nora@${domain}`, 'Welcome to your mail')
  await row(nora.page, 'Welcome to your mail').waitFor()
  same(nora.errors, [], 'the page')
})

test('admin: who may not administer sees and reaches nothing', async () => {
  const { page } = await visit()
  await login(page, house.second)
  await page.getByRole('link', { name: 'Settings' }).waitFor()
  same(await page.getByRole('link', { name: 'Administration' }).count(), 0, 'links to the administration')
  await page.goto(`${house.url}/admin/accounts`)
  await page.getByRole('heading', { name: 'Not for this account' }).waitFor()
  const asked = await page.evaluate(async () => {
    const post = async (path) => (await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Postrider': '1' }, body: '{}' })).status
    return [await post('/api/admin/v1/domain/list'), await post('/api/admin/v1/account/list'), await post('/api/admin/v1/account/add'), (await fetch('/api/admin/log')).status]
  })
  same(asked, [403, 403, 403, 403], 'answers of the administration')
})
