"""From a file to arrays, and back.

`reading` reads files, a module a format, into what `tables` holds. `judging` tells what a column
is, `columns` and `targets` what is learned of it, and `preprocessing` puts it together. `written`
knows numbers as people write them, `dates` dates and times, `means` those of many categories.
"""
