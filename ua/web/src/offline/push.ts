// Notices of new mail when no page is open: the browser's push service is told to the server (RFC 8620 7.2, RFC 9749).

import { session } from '#/lib/session.svelte'
import type { GetResult, SetResult } from '#/lib/jmap/types'

interface Subscription {
  id: string
  deviceClientId: string
  expires: string | null
}

const vapid = 'urn:ietf:params:jmap:webpush-vapid'

/** Whether this browser and this server can do it. */
export function possible(): boolean {
  return 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis && vapid in session.jmap.session.capabilities
}

/** A name for this browser that stays. */
function device(): string {
  let id = localStorage.getItem('postrider-device')
  if (!id) {
    id = crypto.randomUUID()
    localStorage.setItem('postrider-device', id)
  }
  return id
}

/** Asks for leave, and subscribes. False when the person or the browser says no. Called again it renews. */
export async function enable(): Promise<boolean> {
  if (!possible() || (await Notification.requestPermission()) !== 'granted') return false
  const registration = await navigator.serviceWorker.ready
  const key = String(session.jmap.session.capabilities[vapid]?.['applicationServerKey'] ?? '')
  const there = await registration.pushManager.getSubscription()
  const sub = there ?? (await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }))
  const keys = sub.toJSON().keys
  await forget()
  const r = await session.jmap.call<SetResult<Subscription>>('PushSubscription/set', {
    accountId: undefined, create: { here: { deviceClientId: device(), url: sub.endpoint, keys: { p256dh: keys?.['p256dh'], auth: keys?.['auth'] }, types: ['EmailDelivery'] } },
  })
  return r.notCreated?.['here'] === undefined
}

/** Ends the notices of this browser. */
export async function disable(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration?.()
  await (await registration?.pushManager?.getSubscription?.())?.unsubscribe()
  await forget()
}

async function forget(): Promise<void> {
  const all = await session.jmap.call<GetResult<Subscription>>('PushSubscription/get', { accountId: undefined, ids: null })
  const mine = all.list.filter((s) => s.deviceClientId === device()).map((s) => s.id)
  if (mine.length > 0) await session.jmap.call('PushSubscription/set', { accountId: undefined, destroy: mine })
}
