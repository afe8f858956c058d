// Package textindex finds which of many texts contain a string, without reading the texts.
//
// It takes decoded texts of numbered documents from an indexer (service/search), and hands back Segments: immutable values that
// are stored as they are, read again with Decode, joined with Merge, and asked with Search.
//
// IMAP asks for substrings (RFC 3501 6.4.4, RFC 9051 6.4.4), so an index of words alone does not do. A segment has a sorted
// dictionary kept as one run of octets, "\nterm\nterm\n": a substring is found in it by plain search of a few megabytes, and each
// term it is found in names its documents. There are two dictionaries:
//
//   - Words: the terms of long texts. A term is a longest run of letters, digits, marks and other symbols, in the spelling of
//     Fold. A question that is one piece of such a run is answered exactly. One of several pieces ("how are you") is
//     answered by a superset: the first piece must end a term, those in the middle be terms, the last begin one.
//   - Lines: short texts kept whole (addresses, subjects). Any question within one line is answered exactly.
//
// Invariants:
//
//   - What Search says of a document that is not Unsure is never wrong: a document it leaves out does not contain the text. Where
//     the question is exact (Query.Words, Query.Lines), every document it names does.
//   - A term longer than MaxTerm is kept in pieces that overlap by Overlap octets, so that nothing within that length is missed.
//   - A document with more than MaxText octets of text is Unsure.
//   - Decode takes any octets and gives a sound Segment or an error; its memory is bounded.
package textindex
