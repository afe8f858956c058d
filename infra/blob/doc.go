// Package blob keeps message bodies in packs: append-only runs of records, each with its length,
// its checksum and its codec.
//
// It takes bodies from whoever receives mail (Writer, by way of mail.Blobs) and hands back Refs,
// which say where a body lies. It keeps no index: infra/store does, in SQL, and tells
// Open which packs exist and how far each is filled. Packs live in a Bucket: a
// directory here, an object store elsewhere.
//
// How a body travels:
//
//   - Up to HoldLimit octets are held in pooled memory. Seal compresses them where it pays. The committer gathers
//     the held bodies of a whole group, writes them to the active pack in one call and syncs once (Place, Write, Sync).
//   - A longer body goes straight into a pack of its own, as it comes in, and is never copied again. Seal syncs it. It
//     stays uncompressed, so that any part of it can be read without the rest.
//
// Invariants:
//
//   - A record is never rewritten in place. Compaction copies records to another pack, and the old pack goes once the index
//     has forgotten it and the last reader has let go.
//   - What lies in a pack past the octets the index knows of is no mail: nobody was told it was safe. Open cuts it off.
//   - A pack the index does not know is no mail either, for the same reason. Open removes it.
//   - A body read whole was compared with its checksum; damage is an error of kind Internal that names pack and offset.
//   - After a failed write or sync of the active pack nothing more is appended: Failed tells, and only a new Open, which
//     begins from what the index knows, can go on.
package blob
