// What the webmail promises of its speed, measured in the browser. The bars hold on a machine that does nothing else. Here others may be at work on the same
// cores, so of three tries the best counts, and the tests fail at twice the bar for what takes time; what is loaded is counted to the octet.
import { assert, house, login, person, test, until, visit } from './lib.mjs'

const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]

/** Measures up to three times, until it is within the bar; gives the best. */
async function best(bar, measure) {
  let least = Infinity
  for (let i = 0; i < 3 && least > bar; i++) least = Math.min(least, await measure())
  return least
}

test('bars: script of the first load', async () => {
  const me = await person('tess')
  const one = await visit()
  await login(one.page, me)
  const state = await one.context.storageState()
  await one.end()
  const { page, context } = await visit({ storageState: state, serviceWorkers: 'block' })
  const cdp = await context.newCDPSession(page)
  await cdp.send('Network.enable')
  const kinds = new Map()
  let octets = 0
  const names = []
  cdp.on('Network.responseReceived', (e) => kinds.set(e.requestId, e.response.url))
  cdp.on('Network.loadingFinished', (e) => {
    const url = kinds.get(e.requestId) ?? ''
    if (!/\.js$/.test(url)) return
    octets += e.encodedDataLength
    names.push(`${url.split('/').pop().replace(/-[^-]{8}\.js$/, '')} ${e.encodedDataLength}`)
  })
  await page.goto(house.url)
  await page.getByRole('heading', { name: 'Your inbox is empty' }).or(page.getByRole('grid')).first().waitFor()
  await page.waitForLoadState('networkidle')
  assert(octets > 10_000, 'nothing was counted')
  assert(octets < 120_000, `${octets} octets of script: ${names.join(', ')}`)
  return `${octets} octets of script in ${names.length} files as transferred (${names.join(', ')}); the bar is 120,000`
})

test('bars: a mailbox of 100,000 messages', async () => {
  const { page } = await visit()
  await page.addInitScript(() => {
    if (window.top !== window) return
    const look = () => {
      if (document.querySelector('[role=grid] [data-row] .subject')) requestAnimationFrame(() => requestAnimationFrame(() => (window.there = performance.now())))
      else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
  await login(page, house.big)
  const rows = Number(await page.getByRole('grid').getAttribute('aria-rowcount'))
  if (rows < 1000) return `left out: the mailbox has ${rows} rows`

  const open = async () => {
    const all = []
    for (let i = 0; i < 5; i++) {
      await page.goto(house.url)
      all.push(await until('the list is there', () => page.evaluate(() => window.there)))
    }
    return median(all)
  }
  const list = await best(1000, open)

  const box = await page.getByRole('grid').boundingBox()
  await page.mouse.move(box.x + box.width / 2, 400)
  const scroll = async () => {
    await page.evaluate(() => {
      window.frames60 = []
      let last = performance.now()
      window.counting = true
      const step = (now) => {
        window.frames60.push(now - last)
        last = now
        if (window.counting) requestAnimationFrame(step)
      }
      requestAnimationFrame(step)
    })
    for (let i = 0; i < 90; i++) await page.mouse.wheel(0, 180)
    const all = await page.evaluate(() => {
      window.counting = false
      return window.frames60.slice(2)
    })
    all.sort((a, b) => a - b)
    window60 = { n: all.length, mean: all.reduce((a, b) => a + b, 0) / all.length, p95: all[Math.floor(all.length * 0.95)] }
    return window60.mean
  }
  let window60
  const frame = await best(20, scroll)
  const scrolled = window60
  assert(Number(await page.getByRole('grid').getByRole('row').first().getAttribute('aria-rowindex')) > 20, 'nothing was scrolled')

  const words = ['harbour', 'lantern', 'railway', 'mountain', 'coffee']
  const search = async () => {
    const all = []
    for (const word of words) {
      await page.goto(house.url)
      await page.getByRole('grid').getByRole('row').first().waitFor()
      await page.evaluate((word) => {
        delete window.found
        document.querySelector('input[aria-label="Search mail"]').addEventListener('input', (e) => {
          if (e.target.value !== word) return
          const began = performance.now()
          const look = () => {
            const r = document.querySelector('[role=grid] [data-row] .subject')
            const grid = document.querySelector('[role=grid]')
            if (location.pathname === '/search' && grid?.getAttribute('aria-busy') !== 'true' && r) window.found = performance.now() - began
            else requestAnimationFrame(look)
          }
          requestAnimationFrame(look)
        })
      }, word)
      const input = page.getByLabel('Search mail')
      await input.fill(word)
      all.push(await until(`${word} is found`, () => page.evaluate(() => window.found)))
    }
    return median(all)
  }
  const found = await best(200, search)

  const text = `${rows} rows: list after ${list.toFixed(0)} ms (bar 1000), ${(1000 / frame).toFixed(1)} frames/s while scrolling, 95th percentile ${scrolled.p95.toFixed(1)} ms (bar 50 frames/s), search after ${found.toFixed(0)} ms (bar 200)`
  assert(list < 2000 && frame < 40 && found < 400, text)
  return text
}, { alone: true })
