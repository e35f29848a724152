"""One study read and written as data, its journal opened for that; nothing here chooses parameters or finishes a trial."""
