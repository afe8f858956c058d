// A thin JMAP client (RFC 8620): calls made in the same moment travel as one request, references between calls are typed, blobs go up with
// progress, and the server's news come in by EventSource.

import { Failure, ours, request, sessionEnded } from '#/lib/api'
import { put, reads, recall } from '#/offline/answers'
import type { Id, Session, SetError, StateChange } from './types'

const using = [
  'urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail', 'urn:ietf:params:jmap:submission', 'urn:ietf:params:jmap:quota',
  'urn:ietf:params:jmap:blob', 'urn:ietf:params:jmap:mdn', 'urn:ietf:params:jmap:contacts',
]

export class MethodError extends Error {
  constructor(readonly type: string, description?: string) {
    super(description ?? `The server could not do this (${type}).`)
  }
}

/** A set that was refused for one object. */
export class Refused extends Error {
  constructor(readonly error: SetError) {
    super(error.description ?? `The server refused this (${error.type}).`)
  }
}

type Invocation = [name: string, args: Record<string, unknown>, id: string]

interface Waiting {
  name: string
  args: Record<string, unknown>
  resolve(value: unknown): void
  reject(cause: Error): void
}

/** A reference to the result of an earlier call of the same batch: give it as the value of a "#name" argument. */
export interface Reference {
  resultOf: string
  name: string
  path: string
}

export class Client {
  private waiting: Waiting[] = []
  private scheduled = false
  readonly account: Id

  constructor(readonly session: Session) {
    this.account = session.primaryAccounts['urn:ietf:params:jmap:mail'] ?? Object.keys(session.accounts)[0] ?? ''
  }

  /** Connects; while the server cannot be reached, to what is remembered of it. */
  static async connect(): Promise<Client> {
    try {
      const found = (await (await request('/jmap/session')).json()) as Session
      put('', 'session', found)
      return new Client(found)
    } catch (cause) {
      const known = isOffline(cause) ? await recall<Session>('', 'session') : undefined
      if (!known) throw cause
      return new Client(known)
    }
  }

  has(capability: string): boolean {
    return `urn:ietf:params:jmap:${capability}` in this.session.capabilities
  }

  /** Limits of core, with the server's own values. */
  limit(name: 'maxObjectsInGet' | 'maxObjectsInSet' | 'maxCallsInRequest' | 'maxSizeUpload'): number {
    return Number(this.session.capabilities['urn:ietf:params:jmap:core']?.[name] ?? 16)
  }

  /** One call. Calls of the same moment are sent together, in order. accountId is put in where it is missing. */
  call<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ name, args: this.withAccount(args), resolve: resolve as (v: unknown) => void, reject })
      if (this.scheduled) return
      this.scheduled = true
      queueMicrotask(() => {
        this.scheduled = false
        const batch = this.waiting.splice(0)
        const most = this.limit('maxCallsInRequest')
        for (let i = 0; i < batch.length; i += most) void this.flush(batch.slice(i, i + most))
      })
    })
  }

  /** Several calls in one request that refer to one another ("#ids": ref(0, "Email/query", "/ids")). Any error of one throws. */
  async batch(calls: [name: string, args: Record<string, unknown>][], signal?: AbortSignal): Promise<Record<string, unknown>[]> {
    const sent: Invocation[] = calls.map(([name, args], i) => [name, this.withAccount(args), `c${i}`])
    const onlyReads = sent.every(([name]) => reads(name))
    let answers: Invocation[]
    try {
      answers = await this.send(sent, signal)
      if (onlyReads && answers.every((a) => a[0] !== 'error')) put(this.account, sent, answers)
    } catch (cause) {
      const known = onlyReads && isOffline(cause) ? await recall<Invocation[]>(this.account, sent) : undefined
      if (!known) throw cause
      answers = known
    }
    return calls.map((_, i) => {
      const answer = answers.find((a) => a[2] === `c${i}`)
      if (!answer) throw new MethodError('serverFail', 'The server left a call unanswered.')
      if (answer[0] === 'error') throw new MethodError(String(answer[1]['type']), answer[1]['description'] as string | undefined)
      return answer[1]
    })
  }

  /** Several calls in one request, of which each gives its answer or its error; only a request that is lost throws. */
  async settled(calls: [name: string, args: Record<string, unknown>][]): Promise<(Record<string, unknown> | MethodError)[]> {
    const answers = await this.send(calls.map(([name, args], i) => [name, this.withAccount(args), `c${i}`]))
    return calls.map((_, i) => {
      const answer = answers.find((a) => a[2] === `c${i}`)
      if (!answer) return new MethodError('serverFail', 'The server left a call unanswered.')
      return answer[0] === 'error' ? new MethodError(String(answer[1]['type']), answer[1]['description'] as string | undefined) : answer[1]
    })
  }

  private withAccount(args: Record<string, unknown>): Record<string, unknown> {
    return 'accountId' in args ? args : { accountId: this.account, ...args } // undefined leaves it out, for methods that take none
  }

  private async flush(batch: Waiting[]): Promise<void> {
    try {
      const answers = await this.send(batch.map((w, i) => [w.name, w.args, `c${i}`]))
      batch.forEach((w, i) => {
        const answer = answers.find((a) => a[2] === `c${i}`)
        if (!answer) w.reject(new MethodError('serverFail', 'The server left a call unanswered.'))
        else if (answer[0] === 'error') w.reject(new MethodError(String(answer[1]['type']), answer[1]['description'] as string | undefined))
        else {
          if (reads(w.name)) put(this.account, [w.name, w.args], answer[1])
          w.resolve(answer[1])
        }
      })
    } catch (cause) {
      for (const w of batch) {
        const known = reads(w.name) && isOffline(cause) ? await recall(this.account, [w.name, w.args]) : undefined
        if (known === undefined) w.reject(cause as Error)
        else w.resolve(known)
      }
    }
  }

  private async send(methodCalls: Invocation[], signal?: AbortSignal): Promise<Invocation[]> {
    const known = using.filter((u) => u in this.session.capabilities)
    const response = await request(this.session.apiUrl, {
      method: 'POST', body: JSON.stringify({ using: known, methodCalls }), headers: { 'Content-Type': 'application/json' }, signal: signal ?? null,
    })
    return ((await response.json()) as { methodResponses: Invocation[] }).methodResponses
  }

  /** Uploads a blob; progress tells octets sent. */
  upload(body: Blob, progress?: (sent: number) => void, signal?: AbortSignal): Promise<{ blobId: Id; type: string; size: number }> {
    const most = this.limit('maxSizeUpload')
    if (body.size > most) return Promise.reject(new Failure('too_large', `This is larger than the ${Math.floor(most / 1e6)} MB that the server takes.`))
    return new Promise((resolve, reject) => {
      const x = new XMLHttpRequest() // fetch tells no progress
      x.open('POST', this.session.uploadUrl.replace('{accountId}', encodeURIComponent(this.account)))
      for (const [name, value] of Object.entries(ours)) x.setRequestHeader(name, value)
      x.setRequestHeader('Content-Type', body.type || 'application/octet-stream')
      x.responseType = 'json'
      x.upload.onprogress = (e) => progress?.(e.loaded)
      x.onload = () => {
        if (x.status === 200 || x.status === 201) return resolve(x.response as { blobId: Id; type: string; size: number })
        if (x.status === 401) sessionEnded()
        const detail = (x.response as { detail?: string } | null)?.detail
        reject(new Failure(x.status === 401 ? 'unauthenticated' : x.status === 413 ? 'too_large' : 'unavailable', detail ?? `The upload failed (${x.status}).`))
      }
      x.onerror = () => reject(new Failure('offline', 'The connection broke during the upload.'))
      x.onabort = () => reject(new DOMException('aborted', 'AbortError'))
      signal?.addEventListener('abort', () => x.abort(), { once: true })
      x.send(body)
    })
  }

  /** The address of a blob, for fetch or for a link with download. */
  downloadUrl(blobId: Id, name: string, type = 'application/octet-stream'): string {
    return this.session.downloadUrl
      .replace('{accountId}', encodeURIComponent(this.account))
      .replace('{blobId}', encodeURIComponent(blobId))
      .replace('{name}', encodeURIComponent(name))
      .replace('{type}', encodeURIComponent(type))
  }

  /** The server's news for as long as it is wanted; the browser connects again by itself. */
  watch(onChange: (changed: Record<string, string>) => void, onState?: (connected: boolean) => void): () => void {
    const url = this.session.eventSourceUrl.replace('{types}', '*').replace('{closeafter}', 'no').replace('{ping}', '30')
    let source: EventSource | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let stopped = false
    const open = () => {
      source = new EventSource(url)
      source.onopen = () => onState?.(true)
      source.addEventListener('state', (e) => {
        const change = JSON.parse((e as MessageEvent<string>).data) as StateChange
        const mine = change.changed[this.account]
        if (mine) onChange(mine)
      })
      source.onerror = () => {
        onState?.(false)
        if (source?.readyState !== EventSource.CLOSED || stopped) return
        clearTimeout(timer) // a refusal ends an EventSource for good: try again, gently
        timer = setTimeout(open, 5000)
      }
    }
    open()
    return () => {
      stopped = true
      clearTimeout(timer)
      source?.close()
    }
  }
}

function isOffline(cause: unknown): boolean {
  return cause instanceof Failure && (cause.kind === 'offline' || cause.kind === 'unavailable')
}

/** A reference to the i-th call of a batch. */
export function ref(i: number, name: string, path: string): Reference {
  return { resultOf: `c${i}`, name, path }
}
