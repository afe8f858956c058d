/** An SVG as the address of a picture: shown by <img> it runs nothing. */
export function svgURL(svg: string): string {
  return `data:image/svg+xml,${encodeURIComponent(svg)}`
}
