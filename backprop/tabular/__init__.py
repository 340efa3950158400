"""From a file to arrays, and back.

`tables` reads files, `columns` tells what a column holds, `preprocessing` makes numbers of a table.
"""
