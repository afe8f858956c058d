// Package proxy fetches pictures that mail refers to, so that who sent it learns nothing of who reads it.
//
// It takes the URL of a picture from the webmail of somebody who is logged in, fetches it through infra/outward, and hands back the octets of a
// raster image and nothing else.
//
// Invariants:
//
//   - The host sees this server, one agent name and the URL: no cookie, referrer, language or address of the reader, nor, as pictures are kept for
//     all readers together, when and how often somebody opens a message.
//   - What is handed on is PNG, JPEG, GIF, WebP, AVIF, BMP or an icon by its own first octets, with the type those say and not the host's. SVG, HTML
//     and what is compressed are refused. A picture of at most 2 by 2 points is there to watch readers: they get a transparent one instead.
//   - Memory is bounded: of what is kept (CacheBytes), of what is being fetched (flying), of one picture (MaxImage); so is what one account asks for.
//   - Nothing inside can be reached (infra/outward).
package proxy
