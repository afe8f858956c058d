import { describe, expect, it } from 'vitest'
import { decodeWords, parseAddresses, withoutTag, written, wrongness } from './address'

const read = (text: string) => parseAddresses(text).map((e) => (e.name ? `${e.name}|${e.email}` : e.email) + (e.wrong ? '!' : ''))

describe('lists of addresses', () => {
  const cases: [name: string, text: string, want: string[]][] = [
    ['one', 'ada@example.org', ['ada@example.org']],
    ['commas', 'ada@example.org, bob@example.org', ['ada@example.org', 'bob@example.org']],
    ['semicolons and new lines', 'ada@example.org; bob@example.org\ncy@example.org\r\ndee@example.org;', ['ada@example.org', 'bob@example.org', 'cy@example.org', 'dee@example.org']],
    ['spaces alone', 'ada@example.org bob@example.org', ['ada@example.org', 'bob@example.org']],
    ['name and angle', 'Ada Lovelace <ada@example.org>', ['Ada Lovelace|ada@example.org']],
    ['quoted name with comma', '"Lovelace, Ada" <ada@example.org>, bob@example.org', ['Lovelace, Ada|ada@example.org', 'bob@example.org']],
    ['unquoted comma in a name', 'Lovelace, Ada <ada@example.org>; Doe, John <john@example.org>', ['Lovelace, Ada|ada@example.org', 'Doe, John|john@example.org']],
    ['escapes in quotes', '"Ada \\"the\\" Countess" <ada@example.org>', ['Ada "the" Countess|ada@example.org']],
    ['comment as name', 'ada@example.org (Ada Lovelace)', ['Ada Lovelace|ada@example.org']],
    ['name without angle', 'Ada Lovelace ada@example.org', ['Ada Lovelace|ada@example.org']],
    ['several names without angle', 'Ada ada@example.org Bob bob@example.org', ['Ada|ada@example.org', 'Bob|bob@example.org']],
    ['group', 'Team: ada@example.org, Bob <bob@example.org>;, cy@example.org', ['ada@example.org', 'Bob|bob@example.org', 'cy@example.org']],
    ['empty group', 'undisclosed-recipients:;', []],
    ['mailto', 'mailto:ada@example.org', ['ada@example.org']],
    ['mailto in angle', 'Ada <mailto:ada@example.org>', ['Ada|ada@example.org']],
    ['quoted local part', '"ada lovelace"@example.org', ['"ada lovelace"@example.org']],
    ['source route', '<@relay.example,@other.example:ada@example.org>', ['ada@example.org']],
    ['trailing punctuation', 'Write to ada@example.org.', ['Write to|ada@example.org']],
    ['angle without a space', 'Ada<ada@example.org>,Bob<bob@example.org>', ['Ada|ada@example.org', 'Bob|bob@example.org']],
    ['angles side by side', 'Ada <ada@example.org> Bob <bob@example.org>', ['Ada|ada@example.org', 'Bob|bob@example.org']],
    ['single quotes', "'Ada' <ada@example.org>", ['Ada|ada@example.org']],
    ['letters of the world', 'Größe <jürgen@münchen.example>', ['Größe|jürgen@münchen.example']],
    ['fullwidth separators', 'ada@example.org，bob@example.org', ['ada@example.org', 'bob@example.org']],
    ['encoded word', '=?utf-8?Q?J=C3=BCrgen?= <j@example.org>', ['Jürgen|j@example.org']],
    ['apostrophes stay', "O'Neil <o'neil@example.org>", ["O'Neil|o'neil@example.org"]],
    ['no address', 'ada', ['ada!']],
    ['no domain', 'ada@', ['ada@!']],
    ['half right', 'ada@example.org, bob', ['ada@example.org', 'bob!']],
    ['an open quote harms one line only', '"ada <ada@example.org>\nbob@example.org', ['ada|ada@example.org'.replace('ada|', '"ada|'), 'bob@example.org']],
    ['nothing', ' ,;\n', []],
  ]
  for (const [name, text, want] of cases) it(name, () => expect(read(text)).toEqual(want))

  it('keeps up with a long paste', () => {
    const text = Array.from({ length: 5000 }, (_, i) => `"Person, ${i}" <p${i}@example.org>`).join(', ')
    expect(parseAddresses(text)).toHaveLength(5000)
  })
})

describe('what is wrong with an address', () => {
  for (const good of ['a@b.example', 'a.b+c@sub.example.org', '"a b"@example.org', 'a@[192.0.2.1]', 'a@[IPv6:2001:db8::1]', 'ünï@exämple.org', "o'neil@example.org"])
    it(`nothing: ${good}`, () => expect(wrongness(good)).toBe(''))
  for (const bad of ['', 'a', '@b.example', 'a@', 'a b@example.org', 'a@b@example.org', '.a@example.org', 'a..b@example.org', 'a@example', 'a@example..org',
    'a@-example.org', 'a@exa mple.org', 'a@example.123', `${'x'.repeat(65)}@example.org`, 'a,b@example.org', 'a@ex_ample.org'])
    it(`something: ${bad.slice(0, 30)}`, () => expect(wrongness(bad)).not.toBe(''))
})

it('writes addresses that can be read again', () => {
  for (const p of [{ name: 'Ada', email: 'a@example.org' }, { name: 'Lovelace, Ada "x"', email: 'a@example.org' }, { name: '', email: 'a@example.org' }])
    expect(parseAddresses(written(p))).toEqual([p])
})

it('takes tags off', () => expect(withoutTag('Ada+news@Example.org')).toBe('ada@example.org'))
it('leaves what is no encoded word', () => expect(decodeWords('=?nonsense?x?y?= a=b')).toBe('=?nonsense?x?y?= a=b'))
