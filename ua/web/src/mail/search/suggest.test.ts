import { describe, expect, it } from 'vitest'
import { remembered, suggest, type Sources } from './suggest'

const sources: Sources = {
  people: (text) => [{ name: 'Bob Smith', email: 'bob@far.example' }, { name: '', email: 'bea@far.example' }].filter((p) => p.email.startsWith(text.toLowerCase())),
  mailboxes: [{ title: 'Inbox', value: 'inbox' }, { title: 'My stuff', value: 'My stuff' }],
  labels: ['Work', 'Big client'],
  recent: ['invoice from:bob', 'holiday'],
}
const at = (text: string) => suggest(text.replace('|', ''), text.indexOf('|'), sources)

describe('suggestions', () => {
  it('begin with what was searched', () => {
    expect(at('|').map((s) => s.label)).toEqual(['invoice from:bob', 'holiday'])
    expect(at('ho|')[0]).toMatchObject({ kind: 'recent', input: 'holiday' })
  })
  it('offer operators, and what may follow them', () => {
    expect(at('fr|')[0]).toMatchObject({ kind: 'operator', input: 'from:', caret: 5, open: true })
    expect(at('is:un|').map((s) => s.label)).toEqual(['is:unread', 'is:unstarred', 'is:unanswered'])
    expect(at('from:b|').map((s) => s.input)).toEqual(['from:bob@far.example ', 'from:bea@far.example '])
    expect(at('in:|').map((s) => s.label)).toEqual(['Inbox', 'My stuff', 'Anywhere'])
    expect(at('in:my|')[0]!.input).toBe('in:"My stuff" ')
    expect(at('label:big|')[0]!.input).toBe('label:"Big client" ')
  })
  it('replace what stands at the cursor, and nothing else', () => {
    expect(at('hello -fr| world').find((s) => s.kind === 'operator')).toMatchObject({ input: 'hello -from: world', caret: 12 })
    expect(at('bo| x').find((s) => s.kind === 'person')).toMatchObject({ input: 'from:bob@far.example x', caret: 20 })
  })
  it('are none where nothing is being written', () => {
    expect(at('hello |')).toEqual([])
    expect(at('"hello|')).toEqual([])
  })
  it('remember each search once', () => {
    expect(remembered(['a b', 'cc'], ' CC ')).toEqual(['CC', 'a b'])
    expect(remembered(['a b'], 'x')).toEqual(['a b'])
    expect(remembered(Array.from({ length: 20 }, (_, i) => `s${i}`), 'new')).toHaveLength(12)
  })
})
