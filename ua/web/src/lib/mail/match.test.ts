import { expect, it } from 'vitest'
import { belongs } from './match'

const inbox = { inbox: true } as const

it('tells by mailboxes whether a message belongs to a list', () => {
  expect(belongs(null, inbox)).toBe('yes')
  expect(belongs({ inMailbox: 'inbox' }, inbox)).toBe('yes')
  expect(belongs({ inMailbox: 'sent' }, inbox)).toBe('no')
  expect(belongs({ inMailbox: 'inbox', text: 'x' }, inbox)).toBe('maybe')
  expect(belongs({ inMailboxOtherThan: ['trash', 'junk'] }, { trash: true })).toBe('no')
  expect(belongs({ inMailboxOtherThan: ['trash'] }, { trash: true, inbox: true })).toBe('yes')
  expect(belongs({ operator: 'AND', conditions: [{ text: 'x' }, { inMailbox: 'sent' }] }, inbox)).toBe('no')
  expect(belongs({ operator: 'OR', conditions: [{ inMailbox: 'sent' }, { text: 'x' }] }, inbox)).toBe('maybe')
  expect(belongs({ operator: 'NOT', conditions: [{ inMailbox: 'inbox' }] }, inbox)).toBe('no')
  expect(belongs({ operator: 'NOT', conditions: [{ inMailbox: 'sent' }, { from: 'a' }] }, inbox)).toBe('maybe')
})
