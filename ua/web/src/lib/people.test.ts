import { beforeAll, describe, expect, it, vi } from 'vitest'

vi.mock('#/lib/api', () => ({
  get: () => Promise.resolve({ people: [
    { name: 'Ada Lovelace', email: 'ada@example.org', count: 9 }, { name: 'Jürgen Groß', email: 'j.gross@example.org', count: 2 },
    { name: '', email: 'adam@other.example', count: 1 }, { name: 'Bob', email: 'bob@ada.example', count: 50 },
  ] }),
}))
vi.mock('#/lib/session.svelte', () => ({ session: { onChange: () => () => undefined, jmap: { has: () => false } } }))

const { fold, nameOf, people } = await import('./people.svelte')

beforeAll(() => people.load())
const find = (text: string) => people.find(text).map((p) => p.email)

describe('people', () => {
  it('are found by the beginning of any word, whole words and those written to often first', () => expect(find('ada')).toEqual(['ada@example.org', 'bob@ada.example', 'adam@other.example']))
  it('by several words', () => expect(find('lovel ad')).toEqual(['ada@example.org']))
  it('without marks and case', () => {
    expect(find('jurgen')).toEqual(['j.gross@example.org'])
    expect(find('GROSS')).toEqual(['j.gross@example.org'])
  })
  it('by part of an address', () => expect(find('adam@ot')).toEqual(['adam@other.example']))
  it('nobody by nothing, nobody by nonsense', () => expect([find(''), find('zzz')]).toEqual([[], []]))
  it('have names', () => expect(people.nameFor('ADA@example.org')).toBe('Ada Lovelace'))
  it('count when written to', () => {
    people.wroteTo([{ name: 'New', email: 'new@example.org' }])
    expect(find('new')).toEqual(['new@example.org'])
  })
})

it('folds', () => expect(fold('ÄßÉ')).toBe('asse'))
it('names contacts (RFC 9553)', () => {
  expect(nameOf({ id: '1', name: { full: 'Ada' } })).toBe('Ada')
  expect(nameOf({ id: '1', name: { components: [{ kind: 'given', value: 'Ada' }, { kind: 'separator', value: ' ' }, { kind: 'surname', value: 'Lovelace' }] } })).toBe('Ada Lovelace')
  expect(nameOf({ id: '1', organizations: { a: { name: 'Works' } } })).toBe('Works')
})
