// Package app makes a running system out of a configuration.
//
// It takes a config.Config and wires every role to what it stands on, opens the listeners, starts what runs
// behind them, and stops all of it in order. It alone knows everybody, and it holds no mail logic: what is
// decided here is which part is handed to which.
//
// Order: store, then services, then roles, then listeners; the queue starts when the doors are open. Stopping goes the
// other way: listeners first, then conversations within a time of grace, then the queue, then the store.
package app
