// The log as it is written. The browser comes again by itself when the server ends the stream; what it cannot mend is told.

import { request } from '#/lib/api'
import { append } from './lines'
import type { LogLine } from './types'

const path = '/api/admin/log'
const gather = 200 // milliseconds between two looks at what has come, so that a flood does not keep the page busy

export class Follower {
  lines = $state.raw<LogLine[]>([])
  /** What has come while it is paused. */
  waiting = $state(0)
  paused = $state(false)
  lost = $state(0)
  /** again: the stream ended or the server does not answer; the browser tries again by itself. */
  phase = $state<'connecting' | 'here' | 'again' | 'broken'>('connecting')
  trouble = $state('')
  private source: EventSource | undefined
  private fresh: LogLine[] = []
  private timer: ReturnType<typeof setTimeout> | undefined
  private again: ReturnType<typeof setTimeout> | undefined

  start = (): (() => void) => {
    this.open()
    return () => {
      this.source?.close()
      this.source = undefined
      clearTimeout(this.timer)
      clearTimeout(this.again)
    }
  }

  private open(): void {
    this.source?.close()
    clearTimeout(this.again)
    this.phase = 'connecting'
    this.trouble = ''
    const source = (this.source = new EventSource(path))
    source.onopen = () => (this.phase = 'here')
    source.onmessage = (e: MessageEvent<string>) => this.take(e.data)
    source.addEventListener('lost', (e: MessageEvent<string>) => (this.lost += (JSON.parse(e.data) as { lines: number }).lines))
    source.onerror = () => {
      if (this.source !== source) return
      if (source.readyState === EventSource.CLOSED) void this.why(source)
      else this.phase = 'again'
    }
  }

  retry = (): void => this.open()

  /** The browser does not say why an event source was refused; the same request does. */
  private async why(source: EventSource): Promise<void> {
    const stopper = new AbortController()
    try {
      await request(path, { signal: stopper.signal })
      stopper.abort() // it is there again
      if (this.source === source) this.again = setTimeout(() => this.open(), 2000)
    } catch (cause) {
      if (this.source !== source) return
      this.phase = 'broken'
      this.trouble = (cause as Error).message
    }
  }

  private take(data: string): void {
    this.fresh.push(JSON.parse(data) as LogLine)
    if (this.fresh.length > 4000) this.fresh.splice(0, this.fresh.length - 2000)
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.show()
    }, gather)
  }

  private show(): void {
    if (this.paused) {
      this.waiting = this.fresh.length
      return
    }
    this.lines = append(this.lines, this.fresh)
    this.fresh = []
    this.waiting = 0
  }

  pause(on: boolean): void {
    this.paused = on
    if (!on) this.show()
  }

  clear(): void {
    this.lines = []
    this.lost = 0
  }
}
