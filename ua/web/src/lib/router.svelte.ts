// Where we are: the path of the page. Pages are /mail/<mailbox>[/<thread>], /search?q=, /compose, /contacts, /settings/<page>, /admin/<page>, /login.

class Route {
  path = $state(location.pathname)
  query = $state(new URLSearchParams(location.search))
  /** The parts of the path. */
  parts = $derived(this.path.split('/').filter(Boolean).map(decodeURIComponent))

  constructor() {
    window.addEventListener('popstate', () => this.read())
    window.addEventListener('click', (e: MouseEvent) => this.follow(e))
  }

  private read(): void {
    this.path = location.pathname
    this.query = new URLSearchParams(location.search)
  }

  go(to: string, how: { replace?: boolean } = {}): void {
    if (to === location.pathname + location.search) return
    if (how.replace) history.replaceState(null, '', to)
    else history.pushState(null, '', to)
    this.read()
  }

  /** A plain click on a link to one of our pages needs no load. */
  private follow(e: MouseEvent): void {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    const link = (e.target as Element | null)?.closest?.('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (/^\/(api|jmap|setup|assets|\.well-known)(\/|$)/.test(link.pathname)) return
    e.preventDefault()
    this.go(link.pathname + link.search)
  }
}

export const route = new Route()

/** Builds a path of encoded parts. */
export function path(...parts: string[]): string {
  return '/' + parts.map(encodeURIComponent).join('/')
}
