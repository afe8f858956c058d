// Package jscontact is the form of contact cards: JSContact objects (RFC 9553), and their translation from and to vCard.
//
// It takes the JSON of a card from whoever stores it (service/contacts) and says what is wrong with it; from a stream of vCards it makes cards, one
// after the other, and of a card a vCard. What a card means to its owner, and where it is kept, is no matter of this package.
//
// Invariants:
//
//   - A card that Check lets through is one JSON object of at most MaxSize octets and MaxDepth levels in which every property that RFC 9553 knows has
//     the type it must have. Properties that nobody knows are kept as they are (RFC 9553 1.8).
//   - Reading vCards uses memory bounded by MaxVCard, whatever comes, and a card that cannot be read does not keep the next from being read.
//   - What is made of a vCard passes Check.
//
// RFCs: RFC 9553 (JSContact), RFC 9982 (version 2.0: the uid is optional), RFC 9555 (to and from vCard), RFC 6350 (vCard 4.0), RFC 2426 (vCard
// 3.0), RFC 6868 (carets in parameters).
package jscontact
