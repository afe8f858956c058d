import { describe, expect, it } from 'vitest'
import { pageSize, Rows } from './rows'

const named = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `m${from + i}`)

function full(total: number): Rows {
  const r = new Rows()
  for (let at = 0; at < total; at += pageSize) r.page(at, named(at, Math.min(total, at + pageSize)), total, at > 0)
  return r
}

describe('rows of a long list', () => {
  it('know what is missing', () => {
    const r = new Rows()
    expect(r.missing(0, 20)).toEqual([0])
    r.page(0, named(0, 50), 1000, false)
    expect(r.length).toBe(1000)
    expect(r.missing(0, 50)).toEqual([])
    expect(r.missing(40, 120)).toEqual([1, 2])
    expect(r.at(49)).toBe('m49')
    expect(r.at(50)).toBeUndefined()
    expect(r.missing(990, 1010)).toEqual([19])
  })

  it('ask once whether there is anything', () => {
    const r = new Rows()
    r.page(0, [], 0, false)
    expect(r.missing(0, 50)).toEqual([])
    r.doubtAll()
    expect(r.missing(0, 50)).toEqual([0])
    r.page(0, [], 0, false)
    expect(r.missing(0, 50)).toEqual([])
  })

  it('take changes in as RFC 8620 5.6 says', () => {
    const r = full(60)
    r.change(['m3', 'm10'], [{ id: 'new', index: 0 }, { id: 'm10', index: 5 }], 60)
    expect(r.known().slice(0, 8)).toEqual(['new', 'm0', 'm1', 'm2', 'm4', 'm10', 'm5', 'm6'])
    expect(r.missing(0, 60)).toEqual([])
  })

  it('doubt what lies behind a hole when something unseen went', () => {
    const r = new Rows()
    r.page(0, named(0, 50), 300, false)
    r.page(200, named(200, 250), 300, true)
    r.change(['m120'], [], 299)
    expect(r.missing(0, 50)).toEqual([])
    expect(r.missing(200, 250)).toEqual([4])
    expect(r.at(200)).toBe('m200') // shown until the page is there
    r.page(200, named(201, 251), 299, true)
    expect(r.at(200)).toBe('m201')
    expect(r.missing(200, 250)).toEqual([])
  })

  it('shift what lies behind holes when all that changed was seen', () => {
    const r = new Rows()
    r.page(0, named(0, 50), 300, false)
    r.page(200, named(200, 250), 300, true)
    r.change(['a', 'b'], [{ id: 'new', index: 0 }], 301) // a and b are not results
    expect(r.at(0)).toBe('new')
    expect(r.at(201)).toBe('m200')
    expect(r.indexOf('m249')).toBe(250)
  })

  it('hide without losing the place', () => {
    const r = full(120)
    r.hide(['m1', 'm60'], true)
    expect(r.length).toBe(118)
    expect(r.at(1)).toBe('m2')
    r.change(['x'], [{ id: 'new', index: 2 }], 121)
    expect(r.slice(0, 3)).toEqual(['m0', 'new', 'm2'])
    r.hide(['m1', 'm60'], false)
    expect(r.slice(0, 4)).toEqual(['m0', 'm1', 'new', 'm2'])
    r.hide(['m1'], true)
    r.change(['m1'], [], 120)
    expect(r.length).toBe(120)
  })

  it('count what is hidden once, also when the server has let it go meanwhile', () => {
    const r = full(200)
    r.hide(named(0, 60), true)
    expect(r.length).toBe(140)
    r.doubtAll() // too many changes to be told
    r.page(0, named(60, 110), 140, false)
    expect(r.length).toBe(140)
    expect(r.at(0)).toBe('m60')
    const early = full(100)
    early.hide(['m3'], true)
    early.page(0, named(0, 50), 101, false) // asked before the server knew
    expect(early.length).toBe(100)
    expect(early.indexOf('m3')).toBe(-1)
  })

  it('show an id once', () => {
    const r = full(100)
    r.doubtAll()
    r.page(50, named(40, 90), 100, false)
    expect(r.known().filter((id) => id === 'm45')).toHaveLength(1)
    expect(r.missing(0, 50)).toEqual([0])
  })

  it('end as the server’s list, whatever happens in whatever order', () => {
    let seed = 11
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
    for (let round = 0; round < 60; round++) {
      let server = named(0, 20 + random(300))
      let next = server.length
      let state = 0
      let ours = 0
      const r = new Rows()
      const load = (p: number) => {
        r.page(p * pageSize, server.slice(p * pageSize, (p + 1) * pageSize), server.length, ours === state)
        ours = state
      }
      load(0)
      for (let step = 0; step < 25; step++) {
        const what = random(4)
        if (what === 0 && server.length > 0) load(random(Math.ceil(server.length / pageSize)))
        else {
          const removed: string[] = []
          const added: { id: string; index: number }[] = []
          for (let i = random(4); i > 0 && server.length > 1; i--) {
            const [gone] = server.splice(random(server.length), 1)
            removed.push(gone!)
          }
          const fresh = Array.from({ length: random(3) }, () => `m${next++}`)
          for (const id of fresh) server.splice(random(server.length + 1), 0, id)
          for (const id of fresh) added.push({ id, index: server.indexOf(id) })
          state++
          if (what !== 1) {
            r.change([...removed, 'nobody'], added, server.length)
            ours = state
          }
        }
      }
      if (ours !== state) load(0)
      for (let guard = 0; guard < 50; guard++) {
        const [p] = r.missing(0, server.length)
        if (p === undefined) break
        load(p)
      }
      expect(r.known()).toEqual(server)
      server = []
    }
  })
})
