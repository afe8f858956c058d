package terminal

import "github.com/postrider/postrider/ua/client"

// Kept is how many lines of the list are held.
func (m *Model) Kept() int { return len(m.list.rows) }

// At is the id of the message the cursor is on.
func (m *Model) At() string { return m.list.rows[m.list.cursor].ID }

// Told is the message by which news come.
func Told(n client.News) any { return newsMsg{news: n} }
