-- Closed without an answer
-- Of the closed threads in which the contact has written, the share (0 to 1) in which no person
-- (A-) wrote to them after that. Bots (B-), AI agents (L-), applications (I-), welcome messages,
-- comments, and INCOMING mail of a colleague are no answer. Open threads can still be answered,
-- so they do not count. Threads that are archived, spam or not in `threads` are left out.
WITH questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."inboxId"
),
responses AS (
    -- The first answer of a person after that, or null.
    SELECT
        questions.thread,
        questions.inbox_id,
        questions.asked,
        MIN(answers."createdAt") AS answered
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdBy" LIKE 'A-%'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.inbox_id, questions.asked
),
outcomes AS (
    SELECT
        responses.inbox_id,
        CASE WHEN responses.answered IS NULL THEN 1 ELSE 0 END AS is_unanswered
    FROM responses
    JOIN threads ON threads.id = responses.thread
    WHERE threads.status = 'CLOSED'
)
SELECT
    COALESCE(inboxes.name, outcomes.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS threads,
    SUM(outcomes.is_unanswered) AS never_answered,
    CAST(AVG(outcomes.is_unanswered) AS DOUBLE PRECISION) AS share
FROM outcomes
LEFT JOIN inboxes ON inboxes.id = outcomes.inbox_id
GROUP BY outcomes.inbox_id, inboxes.name
ORDER BY inbox, outcomes.inbox_id;
