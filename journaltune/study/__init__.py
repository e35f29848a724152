"""One study read and written as data: settings, trials, the best, look-up, the queue. Decides nothing."""
