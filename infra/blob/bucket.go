package blob

import (
	"context"
	"io"
)

// Bucket is a place where packs are kept by name. Names are ASCII letters, digits, dots and at most
// one slash. All methods may be called at the same time from several goroutines.
//
// Over an object store Create gathers one object and the first Sync puts it; such a bucket says so
// with a File whose WriteAll fails after Sync, and its packs are rolled with every group.
type Bucket interface {
	// Create makes a new, empty pack. It shows in List and survives a crash from its first Sync
	// on. fs.ErrExist when there is one of that name.
	Create(ctx context.Context, name string) (File, error)
	// Open opens a pack that was synced, to read it or to go on writing it. fs.ErrNotExist.
	Open(ctx context.Context, name string) (File, error)
	// Remove deletes a pack, synced or not. One that is gone already is no error.
	Remove(ctx context.Context, name string) error
	// List names every pack that was synced, in no order.
	List(ctx context.Context) ([]Item, error)
	// Room is how many octets can still be written.
	Room(ctx context.Context) (int64, error)
}

// Item is one pack of a List.
type Item struct {
	Name string
	Size int64
}

// File is an open pack.
type File interface {
	io.ReaderAt
	// WriteAll writes the buffers one after another from offset off on, whole or with an error. It
	// does not keep or change them.
	WriteAll(off int64, bufs ...[]byte) error
	Size() (int64, error)
	Truncate(size int64) error
	// Sync returns once all that was written, and the pack's name, is on stable storage.
	Sync() error
	Close() error
}
