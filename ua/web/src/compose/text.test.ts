import { describe, expect, it } from 'vitest'
import { isEmptyHtml, toHtml, toText } from './text'

describe('HTML as text', () => {
  const cases: [name: string, html: string, want: string][] = [
    ['lines', '<div>one</div><div>two</div>', 'one\ntwo'],
    ['empty lines', '<div>one</div><div><br></div><div>two</div>', 'one\n\ntwo'],
    ['several empty lines', '<div>one</div><div><br></div><div><br></div><div>two</div>', 'one\n\n\ntwo'],
    ['breaks', 'one<br>two<br><br>three', 'one\ntwo\n\nthree'],
    ['a break at the end of a block', '<div>one<br></div><div>two</div>', 'one\ntwo'],
    ['paragraphs', '<p>one</p><p>two</p>', 'one\n\ntwo'],
    ['white space', '<div>  a \n b&nbsp;c\u200b </div>', 'a b c'],
    ['bold and more', '<div><b>a</b><i>b</i> c</div>', 'ab c'],
    ['bullets', '<ul><li>one</li><li>two</li></ul>', '- one\n- two'],
    ['numbers', '<ol start="3"><li>one</li><li><div>two</div><div>more</div></li></ol>', '3. one\n4. two\n   more'],
    ['list in list', '<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>', '- one\n  - inner\n- two'],
    ['list beside item', '<ul><li>one</li><ul><li>inner</li></ul></ul>', '- one\n  - inner'],
    ['link', '<div>see <a href="https://example.org/x">the page</a> now</div>', 'see the page <https://example.org/x> now'],
    ['link that shows itself', '<a href="https://example.org/">example.org</a>', 'example.org'],
    ['mail link', '<a href="mailto:a@example.org">Ada</a> <a href="mailto:a@example.org">a@example.org</a>', 'Ada <a@example.org> a@example.org'],
    ['no link of a bad kind', '<a href="javascript:alert(1)">x</a>', 'x'],
    ['quote', '<div>a</div><blockquote><div>b</div><blockquote>c</blockquote><div><br></div><div>d</div></blockquote><div>e</div>', 'a\n> b\n> > c\n>\n> d\ne'],
    ['pre', '<pre>a  b\n  c\n</pre>', 'a  b\n  c'],
    ['rule', 'a<hr>b', 'a\n----------\nb'],
    ['heading', '<h1>T</h1><div>x</div>', 'T\n\nx'],
    ['table', '<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>', 'a  b\n1  2'],
    ['layout table', '<table><tr><td><p>one</p><p>two</p></td></tr></table>', 'one\n\ntwo'],
    ['image', '<img src="x" alt="A cat"> and <img src="y">', '[A cat] and'],
    ['what is not read', '<style>a{}</style><script>x</script><div style="display:none">y</div><title>z</title>text', 'text'],
    ['signature', '<div>a</div><div data-part="signature"><div>Ada</div></div>', 'a\n\n-- \nAda'],
    ['signature of nothing', '<div>a</div><div data-part="signature"><br></div>', 'a'],
    ['nothing', '', ''],
  ]
  for (const [name, html, want] of cases) it(name, () => expect(toText(html)).toBe(want))
  it('only what was written now', () => expect(toText('<div>a</div><blockquote>b</blockquote><div data-part="quote">c</div>', { ownOnly: true })).toBe('a'))
  it('bears what is nested too deep', () => expect(toText('<div>'.repeat(300) + 'x' + '</div>'.repeat(300))).toBe('x'))
})

describe('text as HTML', () => {
  it('is a block a line', () => expect(toHtml('a\n\nb')).toBe('<div>a</div><div><br></div><div>b</div>'))
  it('escapes', () => expect(toHtml('<b>&"')).toBe('<div>&lt;b&gt;&amp;&quot;</div>'))
  it('links', () => expect(toHtml('see https://example.org/a?b=1&c=2.')).toBe('<div>see <a href="https://example.org/a?b=1&amp;c=2">https://example.org/a?b=1&amp;c=2</a>.</div>'))
  it('quotes', () => expect(toHtml('> a\n>> b\nc')).toBe('<blockquote type="cite"><div>a</div><blockquote type="cite"><div>b</div></blockquote></blockquote><div>c</div>'))
})

describe('there and back', () => {
  for (const text of ['a\nb', 'a\n\nb\n\n\nc', '> a\n> > b\n> c\nd', 'https://example.org/x', 'a  b', '1 < 2 & "3"'])
    it(JSON.stringify(text), () => expect(toText(toHtml(text))).toBe(text))
})

it('knows nothing from something', () => {
  expect(isEmptyHtml('<div><br></div>\u200b')).toBe(true)
  expect(isEmptyHtml('<div>a</div>')).toBe(false)
  expect(isEmptyHtml('<img data-cid="x">')).toBe(false)
})
