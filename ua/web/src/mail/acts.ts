// What can be done with conversations and messages, from wherever it is asked for: buttons, keys, drags, swipes. Every act shows at once and can be
// undone, but for deletion for good, which asks.

import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { emails, type Patch } from '#/lib/mail/emails.svelte'
import { mailboxes } from '#/lib/mail/mailboxes.svelte'
import type { Id, Mailbox, Summary } from '#/lib/jmap/types'
import { count } from '#/lib/format'
import { ask } from './ask.svelte'
import { view } from './view.svelte'

export type Move = 'archive' | 'trash' | 'junk' | 'inbox'

/** What a kind of act does to one message; null leaves it as it is. */
type Change = (s: Pick<Summary, 'keywords' | 'mailboxIds'>) => Patch | null

const isIn = (s: Pick<Summary, 'mailboxIds'>, m: Mailbox | undefined) => m !== undefined && m.id in s.mailboxIds

/** The messages that a row stands for. */
async function messagesOf(rows: readonly Id[], scope: 'here' | 'all'): Promise<Summary[]> {
  const tops = await emails.get(rows)
  if (!session.settings.threads) return tops
  await emails.loadThreads(tops.map((s) => s.threadId))
  const out = new Map<Id, Summary>()
  for (const top of tops) {
    const all = await emails.get(emails.members(top.threadId) ?? [top.id])
    const some = scope === 'all' ? all : all.filter((s) => inScope(s))
    for (const s of some.length > 0 ? some : [top]) out.set(s.id, s)
  }
  return [...out.values()]
}

/** Whether an act that moves a whole conversation takes this message along: what is in the mailbox that is shown; in a search all but own mail. */
function inScope(s: Summary): boolean {
  if (view.mailbox) return isIn(s, view.mailbox)
  return Object.keys(s.mailboxIds).some((id) => {
    const role = mailboxes.byId.get(id)?.role
    return role !== 'sent' && role !== 'drafts' && role !== 'trash' && role !== 'junk'
  })
}

/** From where it is shown to another mailbox. */
function moveTo(to: Mailbox): Change {
  const from = view.mailbox
  const alone = to.role === 'trash' || to.role === 'junk'
  return (s) => (from && !alone && isIn(s, from) ? { mailboxes: { [from.id]: false, [to.id]: true } } : { only: [to.id] })
}

/** The mailbox of a role, made when it is not there yet. */
async function need(role: 'archive' | 'trash' | 'junk' | 'inbox'): Promise<Mailbox> {
  const there = mailboxes.role(role)
  if (there) return there
  const id = await mailboxes.create({ archive: 'Archive', trash: 'Trash', junk: 'Junk', inbox: 'Inbox' }[role])
  await mailboxes.update(id, { role })
  return mailboxes.byId.get(id)!
}

const done: Record<Move, string> = { archive: 'Archived', trash: 'Moved to Trash', junk: 'Moved to Junk', inbox: 'Moved to Inbox' }

function named(verb: string, n: number, noun = view.noun): string {
  return n === 1 ? `${verb}.` : `${verb}: ${count(n, noun)}.`
}

/** Runs something that may fail, and tells. */
async function trying<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (cause) {
    toasts.fail(cause)
    return undefined
  }
}

/** After rows went: the selection is empty, and a conversation that was open gives way to the next. */
function left(rows: readonly Id[], by: 1 | -1 = 1): void {
  const openGone = view.open !== null && rows.some((r) => view.isOpen(r) || r === view.open)
  view.deselect()
  if (openGone) void view.onward(by)
}

/** Puts the cursor on the row that takes the place of those that go. */
function keepPlace(rows: readonly Id[]): void {
  const list = view.list
  if (!list || view.cursor === null || !rows.includes(view.cursor)) return
  const going = new Set(rows)
  const at = list.indexOf(view.cursor)
  for (const way of [1, -1]) {
    for (let i = at + way; i >= 0 && i < list.length && Math.abs(i - at) < 200; i += way) {
      const id = list.at(i)
      if (id !== undefined && !going.has(id)) {
        view.cursor = id
        return
      }
    }
  }
}

export const acts = {
  /** Moves conversations by what is wanted of them. `by` says which one is opened after the open one. */
  async send(where: Move, rows = view.targets(), by: 1 | -1 = 1): Promise<void> {
    if (view.everything) return sweepMove(where)
    if (where === 'trash' && view.role === 'trash') return acts.destroy(rows)
    if (rows.length === 0) return
    const box = await trying(() => need(where))
    if (box) await move(rows, box, done[where], by)
  },

  async moveTo(to: Mailbox, rows = view.targets()): Promise<void> {
    if (view.everything) return sweep(`Moving to ${mailboxes.title(to)}`, moveTo(to))
    if (rows.length > 0) await move(rows, to, `Moved to ${mailboxes.title(to)}`)
  },

  /** Single messages of a conversation. */
  async moveMessages(ids: readonly Id[], where: Move | Mailbox): Promise<void> {
    const box = typeof where === 'string' ? await trying(() => need(where)) : where
    if (!box) return
    const text = typeof where === 'string' ? done[where] : `Moved to ${mailboxes.title(where)}`
    await emails.update(ids, moveTo(box), { text: named(text, ids.length, 'message') })
  },

  async destroy(rows = view.targets()): Promise<void> {
    if (rows.length === 0) return
    const list = await trying(() => messagesOf(rows, 'here'))
    if (!list || list.length === 0) return
    await acts.destroyMessages(list.map((s) => s.id), rows)
  },

  async destroyMessages(ids: readonly Id[], rows: readonly Id[] = []): Promise<void> {
    const sure = await ask({
      title: 'Delete for good', text: ids.length === 1 ? 'This message will be gone for good.' : `${count(ids.length, 'message')} will be gone for good.`,
      yes: 'Delete for good', bad: true,
    })
    if (!sure) return
    keepPlace(rows)
    const gone = emails.destroy(ids)
    if (rows.length > 0) left(rows)
    if (await gone) toasts.show(named('Deleted for good', ids.length, 'message'))
  },

  async markRead(on: boolean, rows = view.targets()): Promise<void> {
    const change: Change = () => ({ keywords: { $seen: on } })
    if (view.everything) return sweep(on ? 'Marking as read' : 'Marking as unread', change)
    if (rows.length === 0) return
    const list = on ? await trying(() => messagesOf(rows, 'all')) : await trying(() => emails.get(rows))
    if (!list) return
    const text = rows.length > 1 ? named(on ? 'Marked as read' : 'Marked as unread', rows.length) : undefined
    await emails.update(list.map((s) => s.id), change, text ? { text } : {})
  },

  /** Marks a message and all after it as unread, and goes back to the list. */
  async unreadFrom(id: Id): Promise<void> {
    const s = emails.peek(id)
    const members = (s && session.settings.threads && emails.members(s.threadId)) || [id]
    view.close()
    await emails.update(members.slice(members.indexOf(id)), (m) => (isIn(m, mailboxes.role('drafts')) ? null : { keywords: { $seen: false } }))
  },

  async star(on?: boolean, rows = view.targets()): Promise<void> {
    if (view.everything) return sweep('Marking with a star', () => ({ keywords: { $flagged: on ?? true } }))
    if (rows.length === 0) return
    const all = await trying(() => messagesOf(rows, 'all'))
    if (!all) return
    const want = on ?? !all.some((s) => '$flagged' in s.keywords)
    const ids = want ? rows : all.map((s) => s.id)
    await emails.update(ids, () => ({ keywords: { $flagged: want } }), rows.length > 1 ? { text: named(want ? 'Starred' : 'Star removed', rows.length) } : {})
  },

  /** Puts a label on conversations or takes it off. */
  async label(keyword: string, name: string, on: boolean, rows = view.targets()): Promise<void> {
    const change: Change = () => ({ keywords: { [keyword]: on } })
    const text = on ? `Labelled “${name}”` : `Label “${name}” removed`
    if (view.everything) return sweep(text, change)
    const list = await trying(() => messagesOf(rows, 'all'))
    if (list) await emails.update(list.map((s) => s.id), change, { text: named(text, rows.length) })
  },

  /** Destroys everything in Junk or Trash. */
  async empty(box: Mailbox): Promise<void> {
    if (box.totalEmails === 0) return
    const sure = await ask({
      title: `Empty ${mailboxes.title(box)}`, text: `${count(box.totalEmails, 'message')} in ${mailboxes.title(box)} will be gone for good.`, yes: 'Delete for good', bad: true,
    })
    if (!sure) return
    await destroyAll(`Emptying ${mailboxes.title(box)}`, () => idsIn(box))
    if (view.mailbox?.id === box.id && view.open !== null) view.close()
  },

  /** Undoes what the latest toast offers to undo. */
  undo(): void {
    const last = toasts.list.findLast((t) => t.action?.label === 'Undo')
    if (!last) {
      toasts.show('There is nothing to undo.')
      return
    }
    toasts.list = toasts.list.filter((t) => t.id !== last.id)
    void trying(async () => last.action?.run())
  },
}

async function move(rows: readonly Id[], box: Mailbox, verb: string, by: 1 | -1 = 1): Promise<void> {
  const list = await trying(() => messagesOf(rows, 'here'))
  if (!list || list.length === 0) return
  keepPlace(rows)
  const sent = emails.update(list.map((s) => s.id), moveTo(box), { text: named(verb, rows.length) })
  left(rows, by) // the change shows already
  await sent
}

// ---- acts over everything in a list

async function idsIn(box: Mailbox): Promise<Id[]> {
  const { List } = await import('#/lib/mail/list.svelte')
  const list = new List({ filter: { inMailbox: box.id }, collapse: false })
  try {
    return await list.allMessages()
  } finally {
    list.close()
  }
}

async function sweepMove(where: Move): Promise<void> {
  const list = view.list
  if (where === 'trash' && view.role === 'trash' && list) {
    const sure = await ask({ title: 'Delete for good', text: 'Everything in this list will be gone for good.', yes: 'Delete for good', bad: true })
    if (sure) await destroyAll('Deleting for good', () => list.allMessages())
    return
  }
  const box = await trying(() => need(where))
  if (box) await sweep(done[where], moveTo(box))
}

async function sweep(text: string, change: Change): Promise<void> {
  const list = view.list
  if (!list || view.sweep) return
  const stop = new AbortController()
  view.sweep = { text, done: 0, total: list.total ?? 0, stop: () => stop.abort() }
  view.deselect()
  if (view.open !== null) view.close()
  await trying(async () => {
    const ids = await list.allMessages()
    view.sweep = { text, done: 0, total: ids.length, stop: () => stop.abort() }
    const back = await emails.sweep(ids, change, (n) => view.sweep && (view.sweep.done = n), stop.signal)
    if (back.size > 0) toasts.show(`${text}: ${count(back.size, 'message')}.`, { seconds: 20, action: { label: 'Undo', run: () => turnBack(back) } })
  })
  view.sweep = null
}

async function turnBack(back: Map<Id, Patch>): Promise<void> {
  const stop = new AbortController()
  view.sweep = { text: 'Undoing', done: 0, total: back.size, stop: () => stop.abort() }
  try {
    await emails.restore(back, (n) => view.sweep && (view.sweep.done = n), stop.signal)
  } finally {
    view.sweep = null
  }
}

async function destroyAll(text: string, all: () => Promise<Id[]>): Promise<void> {
  if (view.sweep) return
  let stopped = false
  view.sweep = { text, done: 0, total: 0, stop: () => (stopped = true) }
  view.deselect()
  await trying(async () => {
    const ids = await all()
    view.sweep = { text, done: 0, total: ids.length, stop: () => (stopped = true) }
    let n = 0
    for (let i = 0; i < ids.length && !stopped; i += 500) {
      const some = ids.slice(i, i + 500)
      if (!(await emails.destroy(some))) break
      n += some.length
      if (view.sweep) view.sweep.done = n
    }
    toasts.show(`Deleted for good: ${count(n, 'message')}.`)
  })
  view.sweep = null
}
