"""From a reply to edits, from an edit to its place, and whether the change may be made. All pure."""
