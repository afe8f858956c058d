// Package transfer lets people bring their mail and take it away: imports from files and other servers, an export of everything, the attachments of a
// message as one file.
//
// It takes requests of the webmail, hands imports to service/importer, which runs them as jobs, and writes exports (service/export) as they are read.
//
// Invariants:
//
//   - Everybody reaches their own mail alone.
//   - Uploads go into the store's own place for bodies as they come, exports out as they are read: neither is ever whole in memory, and an export needs no
//     room on disk. Whoever sends or takes nothing for a while is let go.
//   - An export that breaks off is seen to be broken: the connection ends before its time, and the zip file has no list of files.
//   - The password for another server goes to the job alone.
//
// RFCs: RFC 6266 (Content-Disposition), RFC 8620 (ids of messages and mailboxes are those of JMAP).
package transfer
