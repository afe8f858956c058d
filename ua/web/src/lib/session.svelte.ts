// Who is logged in, the connection to the server, and what the person has set. One of each for the whole app.

import { Failure, get, onSessionEnd, post } from './api'
import { put, recall, remember } from '#/offline/answers'
import { Client } from './jmap/client'

export interface Me {
  address: string
  name: string
  account: string
  admin: boolean
  hostname: string
  version: string
  secondFactor: boolean
  programs?: boolean
  passkeys: number
  session: { id: string; created: string; expires: string }
  features: string[]
}

/** What the person chose. Every field has a default, and fields that this version does not know are kept. */
export interface Settings {
  theme: 'system' | 'light' | 'dark'
  density: 'roomy' | 'compact'
  keys: 'gmail' | 'vim' | 'off'
  undoSeconds: number
  remoteImages: 'ask' | 'always'
  trustedSenders: string[]
  threads: boolean
  preview: boolean
  readAfterSeconds: number
  writeAs: 'rich' | 'plain'
  quote: 'below' | 'above'
  notify: boolean
  requestReceipts: boolean
  insideDomains: string[]
  templates: { id: string; name: string; subject: string; html: string }[]
  labels: { name: string; colour: string; keyword: string }[]
  [unknown: string]: unknown
}

const defaults: Settings = {
  theme: 'system', density: 'roomy', keys: 'gmail', undoSeconds: 10, remoteImages: 'ask', trustedSenders: [], threads: true, preview: true,
  readAfterSeconds: 0, writeAs: 'rich', quote: 'below', notify: false, requestReceipts: false, insideDomains: [], templates: [], labels: [],
}

type Phase = 'starting' | 'out' | 'in' | 'ended' | 'unreachable'

/** Asks the server; while it cannot be reached, what is remembered of its last answer. */
async function known<T>(path: string): Promise<T> {
  try {
    const answer = await get<T>(path)
    put('', path, answer)
    return answer
  } catch (cause) {
    const last = cause instanceof Failure && (cause.kind === 'offline' || cause.kind === 'unavailable') ? await recall<T>('', path) : undefined
    if (last === undefined) throw cause
    return last
  }
}

class Session {
  /** 'ended' is a session that ended under our hands: what is shown stays, and a login comes over it. */
  phase = $state<Phase>('starting')
  me = $state.raw<Me | null>(null)
  client = $state.raw<Client | null>(null)
  settings = $state<Settings>({ ...defaults })
  /** Whether the server's news reach us. */
  connected = $state(true)
  private version = ''
  private saving: Promise<void> = Promise.resolve()
  private listeners = new Set<(changed: Record<string, string>) => void>()
  private stopWatch: (() => void) | undefined

  constructor() {
    onSessionEnd(() => {
      if (this.phase === 'in') this.phase = 'ended'
    })
    $effect.root(() => {
      $effect(() => {
        document.documentElement.dataset['theme'] = this.settings.theme
        document.documentElement.dataset['density'] = this.settings.density
      })
    })
  }

  /** Finds out whether somebody is logged in, and connects. */
  async start(): Promise<void> {
    try {
      await this.enter(await known<Me>('/api/me'))
    } catch (cause) {
      if (cause instanceof Failure && cause.kind === 'unauthenticated') this.phase = 'out'
      else if (this.phase === 'starting') this.phase = 'unreachable'
    }
  }

  /** Goes in as somebody the server has just let in. */
  async enter(me: Me): Promise<void> {
    const other = this.me !== null && this.me.account !== me.account
    if (other) {
      location.assign('/') // nothing of one person's is shown to another
      return
    }
    this.me = me
    const [client, stored] = await Promise.all([Client.connect(), known<{ version: string; settings: Partial<Settings> }>('/api/settings')])
    this.client = client
    this.version = stored.version
    Object.assign(this.settings, defaults, stored.settings)
    this.phase = 'in'
    this.stopWatch?.()
    this.stopWatch = client.watch((changed) => this.tell(changed), (connected) => (this.connected = connected))
  }

  /** The connection, for code that only runs when somebody is in. */
  get jmap(): Client {
    if (!this.client) throw new Error('nobody is logged in')
    return this.client
  }

  /** Calls back with the types that changed on the server ({"Email": state, "Mailbox": state …}). */
  onChange(f: (changed: Record<string, string>) => void): () => void {
    this.listeners.add(f)
    return () => this.listeners.delete(f)
  }

  private tell(changed: Record<string, string>): void {
    for (const f of this.listeners) f(changed)
  }

  /** Changes settings here and on the server; of two devices' changes of different fields both stay. */
  save(change: Partial<Settings>): Promise<void> {
    Object.assign(this.settings, change)
    this.saving = this.saving.catch(() => undefined).then(() => this.store(change))
    return this.saving
  }

  private async store(change: Partial<Settings>): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        const answer = await post<{ version: string }>('/api/settings', { version: this.version, settings: $state.snapshot(this.settings) }, 'PUT')
        this.version = answer.version
        return
      } catch (cause) {
        if (!(cause instanceof Failure) || cause.kind !== 'conflict' || tries > 3) throw cause
        const stored = await get<{ version: string; settings: Partial<Settings> }>('/api/settings')
        this.version = stored.version
        Object.assign(this.settings, stored.settings, change)
      }
    }
  }

  async logout(): Promise<void> {
    await import('#/compose/compose.svelte').then(({ compose }) => compose.leave()).catch(() => undefined) // what could not go to Drafts stays on the device
    await post('/api/logout')
    this.stopWatch?.()
    for (const name of await caches?.keys?.() ?? []) if (name.startsWith('mail')) await caches.delete(name)
    indexedDB?.deleteDatabase('postrider')
    remember.on = false
    location.assign('/')
  }
}

export const session = new Session()
