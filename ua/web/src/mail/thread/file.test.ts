import { expect, it } from 'vitest'
import { fileName } from './file'

it('names files so that every system takes them', () => {
  expect(fileName('Lunch on Friday?')).toBe('Lunch on Friday.eml')
  expect(fileName('../../etc/passwd')).toBe('etc passwd.eml')
  expect(fileName('a\u202egpj.exe')).toBe('a gpj.exe.eml')
  expect(fileName(null)).toBe('message.eml')
  expect(fileName('x'.repeat(500))).toHaveLength(84)
})
