// How the page tells of new mail while it is not looked at: the title's count, the icon's dot, a notification.

import { path } from '#/lib/router.svelte'
import { route } from '#/lib/router.svelte'
import { session } from '#/lib/session.svelte'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import type { Summary } from '#/lib/jmap/types'
import { nameOf } from './names'

const plain = '/icon.svg'
let dotted = false

/** Puts a dot on the icon or takes it off. */
export function dot(on: boolean): void {
  if (on === dotted) return
  dotted = on
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
  if (!link) return
  if (!on) {
    link.href = plain
    return
  }
  const picture = new Image()
  picture.onload = () => {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 64
    const c = canvas.getContext('2d')
    if (!c || !dotted) return
    c.drawImage(picture, 0, 0, 64, 64)
    c.beginPath()
    c.arc(48, 16, 15, 0, 2 * Math.PI)
    c.fillStyle = '#fff'
    c.fill()
    c.beginPath()
    c.arc(48, 16, 12, 0, 2 * Math.PI)
    c.fillStyle = '#c0261e'
    c.fill()
    link.href = canvas.toDataURL('image/png')
  }
  picture.src = plain
}

/** Tells of mail that came in, when it is wanted and nobody looks. */
export async function notify(list: Summary[]): Promise<void> {
  if (!session.settings.notify || !('Notification' in window) || Notification.permission !== 'granted') return
  if (document.visibilityState === 'visible' && document.hasFocus()) return
  const inbox = mailboxes.role('inbox')
  const fresh = list.filter((s) => inbox && inbox.id in s.mailboxIds && !('$seen' in s.keywords))
  if (fresh.length === 0) return
  const one = fresh[0]!
  const title = fresh.length === 1 ? nameOf(one.from?.[0]) : `${fresh.length} new messages`
  const body = fresh.length === 1 ? `${one.subject || 'No subject'}\n${one.preview.slice(0, 120)}` : [...new Set(fresh.map((s) => nameOf(s.from?.[0])))].slice(0, 5).join(', ')
  const to = fresh.length === 1 ? path('mail', 'inbox', session.settings.threads ? one.threadId : one.id) : '/mail'
  const options: NotificationOptions = { body, tag: fresh.length === 1 ? one.threadId : 'new-mail', icon: '/icon-192.png', data: { url: to } }
  try {
    const n = new Notification(title, options)
    n.onclick = () => {
      window.focus()
      route.go(to)
      n.close()
    }
  } catch {
    const worker = await navigator.serviceWorker?.getRegistration() // phones show them only through the worker
    await worker?.showNotification(title, options)
  }
}
