// The service worker: the app's own files at hand when the network is not, notices of new mail when no page is open. Mail itself it neither reads nor keeps.

const worker = self as unknown as ServiceWorkerGlobalScope
const shell = 'shell-1' // the files of the app
const pages = ['/', '/frame.html', '/icon.svg', '/icon-192.png', '/manifest.webmanifest']
const assets = 120

worker.addEventListener('install', (e) => {
  e.waitUntil(fetchShell().then(() => worker.skipWaiting()))
})

worker.addEventListener('activate', (e) => {
  e.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith('shell-') && name !== shell) await caches.delete(name)
    await worker.clients.claim()
  })())
})

/** Fetches the page and what it loads first. */
async function fetchShell(): Promise<void> {
  const cache = await caches.open(shell)
  await Promise.all(pages.map(async (p) => {
    const response = await fetch(p, { cache: 'no-cache' })
    if (response.ok) await cache.put(p, response.clone())
    if (p !== '/' || !response.ok) return
    const found = [...(await response.text()).matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((m) => m[1]!)
    await cache.addAll(found)
  }))
}

worker.addEventListener('fetch', (e) => {
  const url = new URL(e.request.url)
  if (e.request.method !== 'GET' || url.origin !== worker.location.origin) return
  if (url.pathname.startsWith('/assets/')) e.respondWith(fromCache(e.request))
  else if (e.request.mode === 'navigate' && !/^\/(api|jmap|setup|\.well-known|mail\/config)/.test(url.pathname)) e.respondWith(page(e.request))
  else if (pages.includes(url.pathname)) e.respondWith(page(e.request))
})

/** Files with a hash in their name never change. */
async function fromCache(request: Request): Promise<Response> {
  const cache = await caches.open(shell)
  const have = await cache.match(request.url)
  if (have) return have
  const response = await fetch(request)
  if (response.ok) {
    await cache.put(request.url, response.clone())
    const keys = (await cache.keys()).filter((k) => new URL(k.url).pathname.startsWith('/assets/'))
    for (const old of keys.slice(0, Math.max(0, keys.length - assets))) await cache.delete(old)
  }
  return response
}

/** The page from the server, or as it was when the server does not answer in time. */
async function page(request: Request): Promise<Response> {
  const cache = await caches.open(shell)
  const name = request.mode === 'navigate' && !request.url.endsWith('/frame.html') ? '/' : new URL(request.url).pathname
  const network = fetch(request).then(async (response) => {
    if (response.ok && response.type === 'basic' && !response.redirected) await cache.put(name, response.clone())
    return response
  })
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, 4000, undefined))
  const first = await Promise.race([network.catch(() => undefined), late])
  if (first) return first
  return (await cache.match(name)) ?? network
}

worker.addEventListener('push', (e) => {
  e.waitUntil(notice(e.data?.text() ?? ''))
})

/** Says that there is new mail, where the person is not looking at it anyway. What is pushed says that something changed, not what. */
async function notice(text: string): Promise<void> {
  let change: { '@type'?: string; verificationCode?: string; pushSubscriptionId?: string; changed?: Record<string, Record<string, string>> }
  try {
    change = JSON.parse(text) as typeof change
  } catch {
    return
  }
  const open = await worker.clients.matchAll({ type: 'window' })
  for (const c of open) c.postMessage(change)
  if (change['@type'] === 'PushVerification') {
    if (change.pushSubscriptionId && change.verificationCode) await verify(change.pushSubscriptionId, change.verificationCode)
    return
  }
  if (!Object.values(change.changed ?? {}).some((types) => 'EmailDelivery' in types || 'Email' in types)) return
  if (open.some((c) => c.focused)) return
  await worker.registration.showNotification('New mail', { body: 'There is something new in your mailbox.', tag: 'mail', icon: '/icon-192.png', badge: '/icon-192.png' })
}

/** Tells the server the code that it pushed, so that it goes on (RFC 8620 7.2.2). */
async function verify(id: string, verificationCode: string): Promise<void> {
  await fetch('/jmap/api', {
    method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json', 'X-Postrider': '1' },
    body: JSON.stringify({ using: ['urn:ietf:params:jmap:core'], methodCalls: [['PushSubscription/set', { update: { [id]: { verificationCode } } }, '0']] }),
  })
}

worker.addEventListener('notificationclick', (e) => {
  e.notification.close()
  e.waitUntil((async () => {
    const [open] = await worker.clients.matchAll({ type: 'window' })
    if (open) await open.focus()
    else await worker.clients.openWindow('/mail')
  })())
})
