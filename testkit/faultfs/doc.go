// Package faultfs is a file system that loses power, for tests of what must survive that.
//
// It takes the calls of a program under test through FUSE (github.com/hanwen/go-fuse/v2) and keeps everything in memory: for each
// file what it holds and which of its writes were not synced, for each directory which of its names were not synced. A test
// asks it to forget (Mounted.PowerLoss), to fail calls (Disk.Fail), to be slow (Disk.Slow) or to be full (Disk.Space), and to tell
// which calls were made (Disk.Record).
//
// # What is synced
//
// A write is synced by fsync or fdatasync of its file, through any handle; so are changes of its length. A name (of what was
// created, renamed, removed) is synced by fsync of its directory. In the strict model, the default, that is all: the name of a new
// file that was itself synced may be gone, as POSIX allows. In the lenient model a sync of any file or directory
// also syncs every change of names before it, as the one journal of ext4 does.
//
// # What a power loss leaves
//
// What was synced, whole. Of the rest, what the seed chooses: nothing, everything, all until one moment, or an arbitrary part, where
// writes are kept or lost in any order, torn at sectors. A file's new length may be kept though the octets are not: there it
// holds zeros or, in the strict model, noise. A rename happened whole or not at all. Changes of names are
// kept in any order that respects those of the same name and the same file; in the lenient model all until one moment are kept.
// A length cut by truncate takes what lay behind it with it, in the order of the truncates of that file.
//
// A sync that was made to fail is the kernel's: what it was to sync counts as clean from then on, so that a later sync which
// succeeds does not make it durable (and a loss takes nearly all of it).
//
// Not modelled: hard and symbolic links, extended attributes, owners, times (kept, but for nobody's sake), and modes, which
// are durable at once. Locks are the kernel's own. Memory-mapped files work; what is written through a mapping reaches the
// file when the kernel chooses, or by fsync.
//
// Invariants: after a power loss every handle of before fails with EIO, for ever; the same seed after the same calls leaves the
// same state; a fault strikes exactly the calls that its rule names. For tests only, and for Linux only.
package faultfs
