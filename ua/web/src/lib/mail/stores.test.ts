import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Failure } from '#/lib/api'
import { MethodError } from '#/lib/jmap/client'
import { session } from '#/lib/session.svelte'
import { toasts } from '#/lib/toasts.svelte'
import { emails } from './emails.svelte'
import { List } from './list.svelte'
import { TestServer } from './server.testing'

let server: TestServer
let n = 0
const lists: List[] = []

/** Ids of one test are not those of another: the store is one for the whole app. */
function box(): string {
  return `box${++n}`
}

function listOf(mailbox: string, collapse: boolean): List {
  const list = new List({ filter: { inMailbox: mailbox }, collapse })
  lists.push(list)
  list.wake()
  return list
}

const tell = () => (session as unknown as { tell(c: Record<string, string>): void }).tell({ Email: `${server.state}` })
const rowsOf = (list: List) => Array.from({ length: list.length }, (_, i) => list.at(i))
/** Waits for the store to be at rest. */
async function calm(): Promise<void> {
  for (let i = 0, quiet = 0, last = -1; i < 400 && quiet < 6; i++) {
    await new Promise((r) => setTimeout(r, 10))
    quiet = server.calls.length === last ? quiet + 1 : 0
    last = server.calls.length
  }
}

async function all(list: List): Promise<void> {
  for (let i = 0; i < 30; i++) {
    list.look(0, list.length)
    await calm()
    if (rowsOf(list).every((id) => id !== undefined)) return
  }
}

beforeEach(() => {
  server = new TestServer()
  server.fail = (type) => (type === 'offline' ? new Failure('offline', 'The server cannot be reached.') : new MethodError(type))
  session.client = server as never
  session.phase = 'in'
  ;(emails as unknown as { state: string }).state = ''
  vi.spyOn(toasts, 'fail').mockReturnValue(undefined)
})

afterEach(() => {
  lists.splice(0).forEach((l) => l.close())
  ;(emails as unknown as { base: Map<string, unknown> }).base.clear()
  vi.restoreAllMocks()
})

describe('lists and messages', () => {
  it('load what is looked at, and no more', async () => {
    const at = box()
    for (let i = 0; i < 1000; i++) server.add(`t${i}`, at)
    const list = listOf(at, false)
    await calm()
    expect(list.total).toBe(1000)
    expect(list.known()).toHaveLength(50)
    list.look(600, 620)
    await calm()
    expect(list.at(610)).toBe(server.query(at, false)[610])
    expect(list.known().length).toBeLessThanOrEqual(200)
    expect(emails.peek(list.at(610)!)?.subject).toBe(list.at(610))
  })

  it('show a change at once, and take it back when it is refused', async () => {
    const [at, other] = [box(), box()]
    const ids = Array.from({ length: 5 }, (_, i) => server.add(`t${i}`, at))
    const list = listOf(at, false)
    await calm()
    server.refuse.add(ids[1]!)
    const done = emails.update([ids[1]!, ids[2]!], { mailboxes: { [at]: false, [other]: true } })
    expect(rowsOf(list)).toEqual([ids[4], ids[3], ids[0]])
    expect(await done).toBe(false)
    tell()
    await calm()
    expect(rowsOf(list)).toEqual([ids[4], ids[3], ids[1], ids[0]])
    expect(toasts.fail).toHaveBeenCalledOnce()
    expect(server.messages.get(ids[2]!)!.mailboxIds).toEqual({ [other]: true })
  })

  it('lose nothing when the network is gone', async () => {
    const [at, other] = [box(), box()]
    const ids = Array.from({ length: 3 }, (_, i) => server.add(`t${i}`, at))
    const list = listOf(at, false)
    await calm()
    server.offline = true
    expect(await emails.update(ids, { only: [other] })).toBe(false)
    expect(rowsOf(list)).toEqual([...ids].reverse())
    server.offline = false
  })

  it('do what was asked once somebody is logged in again', async () => {
    const at = box()
    const id = server.add('t', at)
    await emails.load([id])
    const real = server.call.bind(server)
    let ended = true
    server.call = (name, args) => {
      if (name === 'Email/set' && ended) return Promise.reject(new Failure('unauthenticated', 'Log in.'))
      return real(name, args)
    }
    session.phase = 'ended'
    const done = emails.update([id], { keywords: { $flagged: true } })
    await calm()
    expect('$flagged' in emails.peek(id)!.keywords).toBe(true)
    expect('$flagged' in server.messages.get(id)!.keywords).toBe(false)
    ended = false
    session.phase = 'in'
    expect(await done).toBe(true)
    expect('$flagged' in server.messages.get(id)!.keywords).toBe(true)
  })

  it('undo what was done', async () => {
    const [at, other] = [box(), box()]
    const ids = Array.from({ length: 3 }, (_, i) => server.add(`t${i}`, at, i === 1 ? ['$seen'] : []))
    const list = listOf(at, false)
    await calm()
    await emails.update(ids, { only: [other], keywords: { $seen: true } }, { text: 'Moved.' })
    expect(list.length).toBe(0)
    const toast = toasts.list.at(-1)!
    expect(toast.action?.label).toBe('Undo')
    await toast.action!.run()
    tell()
    await calm()
    expect(rowsOf(list)).toEqual([...ids].reverse())
    expect(ids.map((id) => '$seen' in server.messages.get(id)!.keywords)).toEqual([false, true, false])
  })

  it('hear of what comes in, once', async () => {
    const at = box()
    server.add('t1', at)
    const list = listOf(at, true)
    await calm()
    const heard: string[] = []
    const off = emails.onArrive((found) => heard.push(...found.map((s) => s.id)))
    const id = server.add('t1', at)
    tell()
    await calm()
    off()
    expect(heard).toEqual([id])
    expect(rowsOf(list)).toEqual([id])
    expect(emails.members('t1')).toHaveLength(2)
  })

  it('sweep very many and turn it back', async () => {
    const [at, other] = [box(), box()]
    for (let i = 0; i < 1200; i++) server.add(`t${i}`, at)
    const list = listOf(at, false)
    await calm()
    const steps: number[] = []
    const back = await emails.sweep(await list.allMessages(), () => ({ only: [other] }), (k) => steps.push(k), new AbortController().signal)
    expect(steps).toEqual([500, 1000, 1200])
    tell()
    await calm()
    expect(list.length).toBe(0)
    const asked = server.calls.length
    await new Promise((r) => setTimeout(r, 100))
    expect(server.calls.length).toBe(asked) // an empty list is at rest
    await emails.restore(back, () => undefined, new AbortController().signal)
    tell()
    await calm()
    expect(list.total).toBe(1200)
    await all(list)
    expect(rowsOf(list)).toEqual(server.query(at, false))
  })

  it.each([false, true])('end as the server has it, whatever happens here and elsewhere (threads: %s)', async (collapse) => {
    let seed = collapse ? 5 : 9
    const random = (k: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % k
    const [at, other] = [box(), box()]
    for (let i = 0; i < 150; i++) server.add(`${at}-t${random(90)}`, at)
    const list = listOf(at, collapse)
    await calm()
    for (let step = 0; step < 40; step++) {
      const ids = [...server.messages.keys()]
      const some = ids[random(ids.length)]!
      switch (random(7)) {
        case 0: server.add(`${at}-t${random(100)}`, at); tell(); break
        case 1: server.remove(some); tell(); break
        case 2: server.patch(some, { mailboxIds: { [random(2) ? at : other]: true } }); tell(); break
        case 3: void emails.update([some], { only: [other] }).then(tell); break
        case 4: void emails.update([some], { only: [at] }).then(tell); break
        case 5: list.look(random(100), random(50) + 100); break
        case 6: if (random(4) === 0) { server.horizon = server.state; tell() } break
      }
      if (random(3) === 0) await new Promise((r) => setTimeout(r, random(3)))
    }
    tell()
    await calm()
    await all(list)
    expect(rowsOf(list)).toEqual(server.query(at, collapse))
  }, 20_000)
})
