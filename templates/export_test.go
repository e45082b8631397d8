package templates

// Kinds are the names of all kinds of pages.
func Kinds() (names []string) {
	for _, page := range kinds() {
		names = append(names, page.about().name)
	}
	return names
}

// Kind is the name of a page's kind.
func Kind(page Page) string { return page.about().name }
