// Touch on a row: drawn to the right or to the left it acts, held it is selected. Moves up and down are left to the browser (touch-action: pan-y).

import type { Id } from '#/lib/jmap/types'

interface Deed {
  label: string
  tone: 'good' | 'bad'
  run: (id: Id) => void
}

interface Deeds {
  right: () => Deed
  left: () => Deed
  hold: (id: Id) => void
}

const holdMillis = 450

export class Swipe {
  private row: HTMLElement | null = null
  private slide: HTMLElement | null = null
  private from = { x: 0, y: 0 }
  private by = 0
  private moving = false
  private endedAt = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly deeds: Deeds) {}

  /** Whether a swipe or a hold has just ended: the click that follows it is none. */
  ended(): boolean {
    return performance.now() - this.endedAt < 400
  }

  down(e: PointerEvent): void {
    if (e.pointerType === 'mouse') return
    const row = (e.target as Element).closest<HTMLElement>('[data-row]')
    if (!row) return
    this.row = row
    this.slide = row.querySelector<HTMLElement>('.slide')
    this.from = { x: e.clientX, y: e.clientY }
    this.by = 0
    this.moving = false
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (!this.row || this.moving) return
      this.endedAt = performance.now()
      this.deeds.hold(this.row.dataset['row']!)
      navigator.vibrate?.(10)
      this.reset()
    }, holdMillis)
  }

  move(e: PointerEvent): void {
    if (!this.row || !this.slide) return
    const dx = e.clientX - this.from.x
    const dy = e.clientY - this.from.y
    if (!this.moving) {
      if (Math.abs(dy) > 10) return this.cancel()
      if (Math.abs(dx) < 12) return
      this.moving = true
      clearTimeout(this.timer)
      try {
        this.row.setPointerCapture(e.pointerId)
      } catch {
        // the finger is gone already
      }
    }
    this.by = dx
    const side = dx > 0 ? 'right' : 'left'
    if (this.row.dataset['swipe'] !== side) {
      this.row.dataset['swipe'] = side
      const under = this.row.querySelector('.under')
      if (under) under.textContent = this.deeds[side]().label
    }
    this.row.toggleAttribute('data-far', this.far())
    this.slide.style.transform = `translateX(${dx}px)`
  }

  private far(): boolean {
    return this.row !== null && Math.abs(this.by) > Math.min(140, this.row.clientWidth * 0.32)
  }

  up(): void {
    const row = this.row
    if (!row || !this.moving) return this.reset()
    this.endedAt = performance.now()
    const deed = this.far() ? this.deeds[this.by > 0 ? 'right' : 'left']() : null
    const slide = this.slide!
    const to = deed ? Math.sign(this.by) * row.clientWidth : 0
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    slide.animate([{ transform: slide.style.transform }, { transform: `translateX(${to}px)` }], { duration: still ? 1 : 140, easing: 'ease-out' }).onfinish = () => {
      slide.style.transform = ''
      delete row.dataset['swipe']
      row.removeAttribute('data-far')
      if (deed) deed.run(row.dataset['row']!)
    }
    this.row = this.slide = null
    this.moving = false
    clearTimeout(this.timer)
  }

  cancel(): void {
    this.reset()
  }

  private reset(): void {
    clearTimeout(this.timer)
    if (this.slide && this.moving) this.slide.style.transform = ''
    if (this.row) {
      delete this.row.dataset['swipe']
      this.row.removeAttribute('data-far')
    }
    this.row = this.slide = null
    this.moving = false
  }
}
