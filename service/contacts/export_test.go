package contacts

// SetMaxLogged makes the log short.
func (s *Service) SetMaxLogged(n int) { s.maxLogged = n }
