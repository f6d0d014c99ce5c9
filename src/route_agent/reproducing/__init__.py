"""Gets a test for the brief from another model than the patch's author, before any patch is seen."""
