// Package jmap is the form of JMAP: requests, responses, references between them, patches, filters, errors.
//
// It takes the octets of a request from maa/jmap and hands back calls with their arguments still in JSON; from results it makes a
// response. What a method means is no matter of this package: it knows no mailbox and no message.
//
// Invariants:
//
//   - What ParseRequest takes is I-JSON: UTF-8, no name twice in an object, nesting within Limits. Everything else is a Problem.
//   - A reference reaches earlier responses only, so that there are no loops, and what it yields is bounded by MaxReferenced.
//   - A patch is applied whole or not at all.
//   - Work is linear in the input; what is kept is bounded by the input's size and the limits.
//
// RFCs: RFC 8620 (JMAP), RFC 7493 (I-JSON), RFC 6901 (JSON Pointer), RFC 7807 (problem details).
package jmap
