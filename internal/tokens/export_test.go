package tokens

// KeepTime moves the clock of the hot path now, and not with the next tick.
func (g *Engine) KeepTime() { g.keepTime() }
