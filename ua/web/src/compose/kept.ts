// What is being written is also kept on this device, at once: it survives a crash, a reload, a lost network and an ended session. Files are kept
// with it until the server has them. One record is one letter; each belongs to an account, and is only ever shown to that account.

import { session } from '#/lib/session.svelte'

export interface Kept<T = unknown> {
  key: string
  account: string
  at: number
  letter: T
}

const database = 'postrider-writing'
const table = 'letters'
const files = 'files'

interface KeptFile {
  /** "<letter>/<attachment>" */
  key: string
  file: Blob
}

let opening: Promise<IDBDatabase> | undefined

function open(): Promise<IDBDatabase> {
  opening ??= new Promise<IDBDatabase>((resolve, reject) => {
    const asked = indexedDB.open(database, 1)
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore(table, { keyPath: 'key' })
      asked.result.createObjectStore(files, { keyPath: 'key' })
    }
    asked.onsuccess = () => {
      asked.result.onversionchange = () => {
        asked.result.close()
        opening = undefined
      }
      resolve(asked.result)
    }
    asked.onerror = () => {
      opening = undefined
      reject(asked.error ?? new Error('This browser keeps nothing on the device.'))
    }
  })
  return opening
}

async function run<T>(mode: IDBTransactionMode, f: (s: IDBObjectStore) => IDBRequest<T>, store = table): Promise<T> {
  const db = await open()
  return new Promise<T>((resolve, reject) => {
    const t = db.transaction(store, mode)
    const asked = f(t.objectStore(store))
    t.oncomplete = () => resolve(asked.result)
    t.onerror = t.onabort = () => reject(t.error ?? new Error('This could not be kept on the device.'))
  })
}

const account = () => session.me?.account ?? ''

export async function keep(key: string, letter: unknown): Promise<void> {
  await run('readwrite', (s) => s.put({ key, account: account(), at: Date.now(), letter } satisfies Kept))
}

const hasty = 'postrider-writing '

/** Keeps a letter before this returns, where the browser's small store has room for it; allKept takes it from there. */
export function keepAtOnce(key: string, letter: unknown): void {
  try {
    localStorage.setItem(hasty + key, JSON.stringify({ key, account: account(), at: Date.now(), letter } satisfies Kept))
  } catch {
    // too long: what was kept a moment ago is there
  }
}

/** Moves what was kept in haste to where the rest is. */
async function gather(): Promise<void> {
  for (const name of Object.keys(localStorage).filter((n) => n.startsWith(hasty))) {
    const k = JSON.parse(localStorage.getItem(name) ?? 'null') as Kept | null
    if (k && k.account !== account()) continue
    const there = k && ((await run('readonly', (s) => s.get(k.key))) as Kept | undefined)
    if (k && (!there || there.at <= k.at)) await run('readwrite', (s) => s.put(k))
    localStorage.removeItem(name)
  }
}

export async function forget(key: string): Promise<void> {
  localStorage.removeItem(hasty + key)
  await run('readwrite', (s) => s.delete(key))
  await run('readwrite', (s) => s.delete(IDBKeyRange.bound(`${key}/`, `${key}/\uffff`)), files)
}

/** Forgets what is in Drafts too: when somebody logs out, only what would be lost stays on the device. */
export async function forgetSaved(): Promise<void> {
  for (const k of await allKept<{ saved?: boolean }>()) if (k.letter.saved) await forget(k.key)
}

/** Files are kept once each, not with every change of the letter. */
export async function keepFile(letter: string, attachment: string, file: Blob): Promise<void> {
  await run('readwrite', (s) => s.put({ key: `${letter}/${attachment}`, file } satisfies KeptFile), files)
}

export async function keptFile(letter: string, attachment: string): Promise<Blob | null> {
  const found = (await run('readonly', (s) => s.get(`${letter}/${attachment}`), files)) as KeptFile | undefined
  return found?.file ?? null
}

export async function forgetFile(letter: string, attachment: string): Promise<void> {
  await run('readwrite', (s) => s.delete(`${letter}/${attachment}`), files)
}

/** All that this account has on this device, the oldest first. */
export async function allKept<T>(): Promise<Kept<T>[]> {
  await gather()
  const list = (await run('readonly', (s) => s.getAll())) as Kept<T>[]
  return list.filter((k) => k.account === account()).sort((a, b) => a.at - b.at)
}

/** Whether there is anything. Where the browser keeps nothing (private windows of some), there is not. */
export async function hasKept(): Promise<boolean> {
  try {
    return (await allKept()).length > 0
  } catch {
    return false
  }
}

const held = new Map<string, () => void>()

/** Says to the other windows of this browser that this one has the letter. False when another has it. */
export async function hold(key: string): Promise<boolean> {
  if (held.has(key) || !navigator.locks) return true
  return new Promise((resolve) => {
    void navigator.locks.request(`letter ${key}`, { ifAvailable: true }, (lock) => {
      if (!lock) return resolve(false)
      resolve(true)
      return new Promise<void>((free) => held.set(key, free))
    })
  })
}

export function release(key: string): void {
  held.get(key)?.()
  held.delete(key)
}
