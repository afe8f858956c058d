// The browser's own small database: answers of the server for reading offline, letters that wait to be sent, drafts. Everything in it
// belongs to one account and goes when that account logs out.

export type Table = 'answers' | 'outbox' | 'drafts'

let opening: Promise<IDBDatabase> | undefined

function open(): Promise<IDBDatabase> {
  opening ??= new Promise<IDBDatabase>((resolve, reject) => {
    const r = indexedDB.open('postrider', 1)
    r.onupgradeneeded = () => {
      const answers = r.result.createObjectStore('answers', { keyPath: 'key' })
      answers.createIndex('at', 'at')
      r.result.createObjectStore('outbox', { keyPath: 'id' })
      r.result.createObjectStore('drafts', { keyPath: 'id' })
    }
    r.onsuccess = () => {
      // A logout in another tab deletes the database: make way.
      r.result.onversionchange = () => {
        r.result.close()
        opening = undefined
      }
      resolve(r.result)
    }
    r.onerror = () => reject(r.error ?? new Error('no database'))
    r.onblocked = () => reject(new Error('the database is in use'))
  })
  opening.catch(() => (opening = undefined))
  return opening
}

/** Runs one request on a table. */
export async function run<T>(table: Table, mode: IDBTransactionMode, act: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await open()
  return new Promise<T>((resolve, reject) => {
    const tx = db.transaction(table, mode)
    const r = act(tx.objectStore(table))
    tx.oncomplete = () => resolve(r.result)
    tx.onabort = tx.onerror = () => reject(tx.error ?? new Error('the database failed'))
  })
}

/** Keeps the newest rows of a table that has an index of times. */
export async function keep(table: 'answers', most: number): Promise<void> {
  const db = await open()
  await new Promise<void>((resolve, reject) => {
    const tx = db.transaction(table, 'readwrite')
    const store = tx.objectStore(table)
    const counted = store.count()
    counted.onsuccess = () => {
      let spare = counted.result - most
      if (spare <= 0) return
      const walk = store.index('at').openCursor()
      walk.onsuccess = () => {
        const c = walk.result
        if (!c || spare-- <= 0) return
        c.delete()
        c.continue()
      }
    }
    tx.oncomplete = () => resolve()
    tx.onabort = tx.onerror = () => reject(tx.error ?? new Error('the database failed'))
  })
}
