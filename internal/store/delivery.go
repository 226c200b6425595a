package store

import "time"

// Delivered keeps that a message came, and reports whether it was kept already. Older ones than since are forgotten.
func (t *tx) Delivered(id string, at, since time.Time) (again bool, err error) {
	if _, err := t.write("deliveries", `DELETE FROM deliveries WHERE at < $1`, nil, column{"at", since}); err != nil {
		return false, err
	}
	n, err := t.write("deliveries", `INSERT INTO deliveries (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id`, nil,
		column{"id", id}, column{"at", at})
	return err == nil && n == 0, err
}
