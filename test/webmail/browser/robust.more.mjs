// The server goes away and comes back, and so does the network: nothing that was written is lost.
import { assert, composer, control, house, jmap, letter, login, person, phone, row, same, test, toast, until, visit } from './lib.mjs'

test('robust: the server is started anew under the page', async () => {
  const me = await person('rosa')
  await letter(me, 'Before')
  const { page, errors } = await visit()
  await login(page, me)
  await row(page, 'Before').waitFor()
  await page.getByRole('button', { name: 'Compose', exact: true }).click()
  const w = composer(page)
  await w.getByRole('combobox', { name: 'To', exact: true }).fill(house.other)
  await page.keyboard.press('Enter')
  await w.getByRole('textbox', { name: 'Subject' }).fill('Through the storm')
  await w.getByRole('textbox', { name: 'Text' }).click()
  await page.keyboard.type('Written before')
  await w.getByText('Saved in Drafts').waitFor()
  await control('stop')
  try {
    await page.keyboard.type(', and while it was away')
    await w.getByText('Kept on this device').waitFor({ timeout: 30_000 })
    await row(page, 'Before').waitFor()
    await until('the page says so', async () => (await page.getByText(/You are offline|Connecting/).count()) > 0)
  } finally {
    await control('start')
  }
  await until('the draft is saved', async () => (await w.getByText('Saved in Drafts').count()) > 0, 30)
  assert(/Written before, and while it was away/.test(await w.getByRole('textbox', { name: 'Text' }).innerText()), 'the text is lost')
  await letter(me, 'After')
  await row(page, 'After').waitFor({ timeout: 30_000 })
  await w.getByRole('button', { name: 'Send', exact: true }).click()
  await toast(page, 'Sending').waitFor()
  await until('it is in Sent', async () => {
    const [{ ids: [sent] }] = await jmap(page, [['Mailbox/query', { filter: { role: 'sent' } }]])
    return (await jmap(page, [['Email/query', { filter: { subject: 'Through the storm', inMailbox: sent } }]]))[0].ids.length === 1
  })
  same(errors, [], 'the page')
}, { alone: true })

test('robust: mail is read without a network, and what is sent leaves when it is back', async () => {
  const me = await person('rosa', { settings: { undoSeconds: 0 } })
  await letter(me, 'For the train', { text: 'To be read in the tunnel.' })
  const { page, context, errors } = await visit({ viewport: phone })
  await login(page, me, { stay: true })
  await row(page, 'For the train').click()
  await page.getByText('To be read in the tunnel.').waitFor()
  // The parts that writing needs come with the first letter; the worker keeps them.
  await page.evaluate(() => navigator.serviceWorker.ready)
  await page.reload()
  await page.getByText('To be read in the tunnel.').waitFor()
  await page.getByRole('button', { name: 'Back' }).click()
  await page.getByRole('button', { name: 'Compose', exact: true }).click()
  let w = composer(page)
  await w.getByRole('textbox', { name: 'Text' }).waitFor()
  await w.getByRole('button', { name: 'Keep the draft and close' }).click()
  await row(page, 'For the train').waitFor()

  await context.setOffline(true)
  await page.reload()
  await row(page, 'For the train').click({ timeout: 30_000 })
  await page.getByText('To be read in the tunnel.').last().waitFor()
  await page.getByRole('button', { name: 'Back' }).click()
  await page.getByRole('button', { name: 'Compose', exact: true }).click()
  w = composer(page)
  await w.getByRole('combobox', { name: 'To', exact: true }).fill(house.other)
  await page.keyboard.press('Enter')
  await w.getByRole('textbox', { name: 'Subject' }).fill('From the tunnel')
  await w.getByRole('textbox', { name: 'Text' }).click()
  await page.keyboard.type('It is dark.')
  await w.getByRole('button', { name: 'Send', exact: true }).click()
  await toast(page, 'This is sent as soon as it can be').waitFor({ timeout: 30_000 })
  await context.setOffline(false)
  await toast(page, 'Sent: From the tunnel').waitFor({ timeout: 40_000 })
  await until('it is in Sent, once', async () => {
    const [{ ids: [sent] }] = await jmap(page, [['Mailbox/query', { filter: { role: 'sent' } }]])
    return (await jmap(page, [['Email/query', { filter: { subject: 'From the tunnel', inMailbox: sent } }]]))[0].ids.length === 1
  })
  same(errors, [], 'the page')
})
